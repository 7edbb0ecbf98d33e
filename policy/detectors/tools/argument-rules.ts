/** One dangerous argument of a tool, as an RE2 expression over the arguments' text (JSON as the model wrote it). */
export interface ToolRule {
  id: string;
  pattern: string;
}

/** A folder that must not be emptied: root, a home, or one of the system's. */
const precious =
  '(?:/\\*?|~/?|\\$HOME/?|\\$\\{HOME\\}/?|/(?:etc|usr|var|bin|sbin|lib|boot|home|root|opt|srv|dev|sys|proc)(?:/\\*)?/?)';
const ends = '(?:$|[\\s"\'\\\\;&|)])';
const shell = '(?:sudo\\s+)?(?:/bin/|/usr/bin/)?(?:ba|z|da|k|c)?sh\\b';

/**
 * Arguments that destroy, steal or take over, whatever the tool is called. Made by hand; sources: MITRE ATT&CK (T1059, T1105, T1485, T1490,
 * T1552, T1562), GTFOBins, the clouds' documents of their metadata addresses. What hides a command in quotes, variables or
 * encodings passes.
 */
export const argumentRules: readonly ToolRule[] = [
  {
    id: 'remove_all',
    pattern: `\\brm\\s+(?:-{1,2}[a-zA-Z-]+\\s+)*(?:-[a-zA-Z]*[rR][a-zA-Z]*|--recursive)\\s+(?:-{1,2}[a-zA-Z-]+\\s+)*["']?${precious}${ends}`,
  },
  { id: 'download_run', pattern: `\\b(?:curl|wget|fetch)\\b[^|\\n;&]{1,200}\\|\\s*${shell}` },
  {
    id: 'download_run',
    pattern: `\\b(?:bash|sh|zsh)\\s+(?:-c\\s+)?[\\\\"']{0,3}(?:<\\(|\\$\\(|\`)\\s*(?:curl|wget)\\b[^)\\n]{1,200}`,
  },
  {
    id: 'download_run',
    pattern:
      '(?i)\\b(?:iex|invoke-expression)\\b[^\\n]{0,80}\\b(?:downloadstring|invoke-webrequest|iwr|net\\.webclient)\\b',
  },
  { id: 'encoded_run', pattern: `\\bbase64\\s+(?:-d|-D|--decode)\\b[^|\\n]{0,60}\\|\\s*${shell}` },
  { id: 'encoded_run', pattern: '(?i)\\bpowershell(?:\\.exe)?\\s+(?:-\\w+\\s+){0,6}-e(?:nc|ncodedcommand)?\\b' },
  { id: 'drop_table', pattern: '(?i)\\bdrop\\s+(?:database|schema)\\s+(?:if\\s+exists\\s+)?[\\w"`.]+' },
  {
    id: 'drop_table',
    pattern: '(?i)\\bdrop\\s+table\\s+(?:if\\s+exists\\s+)?[\\w"`.]+\\s*(?:;|"|\'|\\\\|--|cascade\\b|$)',
  },
  { id: 'drop_table', pattern: '(?i)\\btruncate\\s+table\\s+[\\w"`.]+' },
  {
    id: 'delete_all',
    pattern:
      '(?i)\\bdelete\\s+from\\s+[\\w"`.]+\\s*(?:;|"|\\\\|--|where\\s+[\'"]?1[\'"]?\\s*=\\s*[\'"]?1|where\\s+true\\b|$)',
  },
  {
    id: 'sql_shell',
    pattern:
      '(?i)\\bxp_cmdshell\\b|\\bcopy\\s+[\\w"`.()]+\\s+(?:from|to)\\s+program\\b|\\binto\\s+(?:outfile|dumpfile)\\b|\\bload_file\\s*\\(',
  },
  { id: 'sql_grant', pattern: '(?i)\\bgrant\\s+all(?:\\s+privileges)?\\s+on\\b' },
  { id: 'fork_bomb', pattern: ':\\s*\\(\\s*\\)\\s*\\{\\s*:\\s*\\|\\s*:\\s*&?\\s*\\}\\s*;\\s*:?' },
  { id: 'open_permissions', pattern: '\\bchmod\\s+(?:-[a-zA-Z]+\\s+)*(?:0?777|a\\+rwx|ugo\\+rwx)\\b' },
  { id: 'reverse_shell', pattern: '/dev/(?:tcp|udp)/[\\w.-]+/\\d{1,5}' },
  {
    id: 'reverse_shell',
    pattern: `\\b(?:nc|ncat|netcat)\\b[^\\n|;]{0,80}\\s(?:-e|-c|--exec|--sh-exec)\\s*(?:/bin/|/usr/bin/)?(?:\\w*sh\\b|cmd)`,
  },
  { id: 'reverse_shell', pattern: '\\bmkfifo\\s+\\S{1,60}\\s{0,3};[^\\n]{0,80}\\b(?:nc|ncat|netcat|telnet)\\b' },
  { id: 'reverse_shell', pattern: '\\bsocket\\b[^\\n]{0,120}\\bconnect\\b[^\\n]{0,120}\\b(?:dup2|pty\\.spawn)\\b' },
  { id: 'read_credentials', pattern: '/etc/(?:shadow|gshadow|sudoers)\\b' },
  {
    id: 'read_credentials',
    pattern:
      '(?:~|\\$HOME|/root|/home/[\\w.-]{1,40}|/Users/[\\w.-]{1,40})/\\.ssh(?:/(?:id_[a-z0-9]+|authorized_keys|config|\\*))?\\b',
  },
  {
    id: 'read_credentials',
    pattern:
      '\\.aws/credentials\\b|\\.kube/config\\b|\\.docker/config\\.json\\b|\\.config/gcloud\\b|\\.netrc\\b|\\.pgpass\\b|\\.git-credentials\\b|\\.npmrc\\b',
  },
  {
    id: 'read_credentials',
    pattern: '(?i)system32[\\\\/]{1,4}config[\\\\/]{1,4}(?:sam|system|security)\\b|\\bntds\\.dit\\b',
  },
  { id: 'read_credentials', pattern: '/proc/(?:self|[0-9]{1,7})/(?:environ|mem|maps)\\b' },
  { id: 'path_traversal', pattern: '(?:\\.\\.[/\\\\]{1,2}){2,20}(?:etc|windows|root|proc|home)\\b' },
  {
    id: 'cloud_metadata',
    pattern:
      '(?i)\\b(?:https?://)?(?:169\\.254\\.169\\.254|169\\.254\\.170\\.2|metadata\\.google\\.internal|100\\.100\\.100\\.200|\\[?fd00:ec2::254\\]?)\\b',
  },
  {
    id: 'destroy_disk',
    pattern:
      '\\bmkfs(?:\\.\\w+)?\\s+(?:-\\S+\\s+)*/dev/\\w+|\\bdd\\b[^\\n|;]{0,80}\\bof=/dev/(?:sd|hd|nvme|vd|disk|mmcblk)\\w*|>\\s*/dev/(?:sd|hd|nvme|vd)[a-z0-9]+|\\bshred\\s+[^\\n|;]{0,40}/dev/\\w+|\\bwipefs\\b',
  },
  {
    id: 'stop_machine',
    pattern:
      '\\b(?:shutdown\\s+(?:-[hrP]|/[srf]|now)|poweroff\\b|halt\\s+-[fp]|init\\s+0|reboot\\s+-f)(?:\\s+now)?|\\bkill\\s+-(?:9|KILL)\\s+-1\\b|\\bkillall\\s+-9\\b',
  },
  {
    id: 'disable_defence',
    pattern:
      '(?i)\\biptables\\s+(?:-F|--flush)|\\bufw\\s+disable\\b|\\bsetenforce\\s+0\\b|\\bset-mppreference\\b[^\\n]{0,40}-disable|\\bsystemctl\\s+(?:stop|disable)\\s+(?:auditd|firewalld|falco|apparmor)',
  },
  {
    id: 'hide_traces',
    pattern:
      '\\bhistory\\s+-c\\b|\\bunset\\s+HISTFILE\\b|>\\s*~?/?\\S{0,20}\\.bash_history|\\bwevtutil\\s+cl\\b|\\bjournalctl\\s+--vacuum',
  },
  {
    id: 'gain_rights',
    pattern:
      '\\buseradd\\b[^\\n;|]{0,40}-u\\s*0\\b|\\bNOPASSWD\\s*:\\s*ALL\\b|\\bchmod\\s+(?:u\\+s|[24]7[0-7]{2})\\b|\\busermod\\b[^\\n;|]{0,40}-aG\\s+(?:sudo|wheel|docker|root)',
  },
  {
    id: 'destroy_remote',
    pattern:
      '\\bgit\\s+push\\s+(?:\\S+\\s+){0,3}(?:--force\\b|-f\\b|--mirror\\b)|\\bterraform\\s+destroy\\b(?:\\s+-auto-approve)?|\\bkubectl\\s+delete\\s+(?:namespaces?|ns|nodes?|pv|--all\\b|all\\b)|\\baws\\s+s3\\s+(?:rb\\s+\\S{1,80}\\s+--force|rm\\s+\\S{1,80}\\s+--recursive)|\\bgcloud\\s+projects\\s+delete\\b|\\baz\\s+group\\s+delete\\b',
  },
  {
    id: 'escape_container',
    pattern:
      '\\bdocker\\s+run\\b[^\\n;|]{0,80}(?:--privileged|-v\\s+/:/|--pid=host)|\\bnsenter\\b[^\\n;|]{0,40}-t\\s*1\\b|/var/run/docker\\.sock\\b',
  },
  {
    id: 'destroy_windows',
    pattern:
      '(?i)\\b(?:del|erase|rd|rmdir)\\s+(?:/[sqf]\\s+){1,3}["\']?[a-z]:[\\\\/]{0,4}|\\bformat\\s+[a-z]:|\\bvssadmin\\s+delete\\s+shadows\\b|\\breg\\s+delete\\s+hk(?:lm|cu|ey_local_machine)\\b|\\bbcdedit\\b[^\\n]{0,60}recoveryenabled\\s+no|\\bremove-item\\b[^\\n]{0,40}-recurse[^\\n]{0,20}\\s[a-z]:\\\\',
  },
  {
    id: 'run_code',
    pattern:
      '\\bos\\.(?:system|popen)\\s*\\(|\\bsubprocess\\.(?:run|call|Popen|check_output)\\s*\\([^)\\n]{0,120}shell\\s*=\\s*True|__import__\\s*\\(\\s*\\\\?[\'"](?:os|subprocess|pty)\\\\?[\'"]\\s*\\)(?:\\.\\w+)?|\\bshutil\\.rmtree\\s*\\(\\s*\\\\?[\'"](?:/|~|C:)[^)]{0,40}\\)?|child_process[\'"\\\\]*\\s*\\)\\s*\\.\\s*(?:exec|spawn)\\w*|\\bpickle\\.loads\\s*\\(\\s*(?:base64\\.)?b64decode',
  },
  { id: 'mine', pattern: '(?i)\\bxmrig\\b[^\\n]{0,20}(?:--?\\w+)?|\\bstratum\\+tcp://|\\bminerd\\s+-' },
];
