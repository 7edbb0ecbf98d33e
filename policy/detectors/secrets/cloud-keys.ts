import { compileRules, type SecretRule } from './secret-rule.ts';

/** Between a name and its value: quotes and a sign of assignment, or `is`. */
const assigned = `["']?\\s{0,3}(?:=>|is\\s|[:=])?\\s{0,3}["']?`;

/**
 * Keys of clouds and of what runs there. Sources: AWS IAM identifiers (prefixes of ids), Microsoft's, Google's and the other vendors'
 * pages, GitHub secret scanning and gitleaks for the lengths. What has no form of its own counts behind its name only.
 */
const rules: readonly SecretRule[] = [
  { name: 'AWS access key id', literals: ['AKIA', 'ASIA', 'ABIA', 'ACCA'], form: 'A(?:KI|SI|BI|CC)A[A-Z2-7]{16}' },
  {
    name: 'AWS secret',
    literals: [
      'aws_secret_access_key',
      'aws secret access key',
      'secretaccesskey',
      'secret_access_key',
      'secret_key',
      'secret access key',
      'aws secret',
    ],
    words: true,
    glued: true,
    form: `(?:aws[ _]?)?secret(?:[ _]?access)?[ _]?(?:key)?${assigned}([A-Za-z0-9/+]{40})`,
  },
  {
    name: 'Azure storage and Cosmos DB',
    literals: ['AccountKey='],
    glued: true,
    form: 'AccountKey=([A-Za-z0-9+/]{86}==)',
  },
  { name: 'Azure Service Bus and IoT', literals: ['SharedAccessKey='], form: 'SharedAccessKey=([A-Za-z0-9+/]{43}=)' },
  { name: 'Azure signature', literals: ['sig='], form: 'sig=([A-Za-z0-9%]{43,60}%3[Dd])' },
  { name: 'Azure client secret', literals: ['Q~'], glued: true, form: 'Q~[A-Za-z0-9_~.-]{31,34}' },
  { name: 'Google service account', literals: ['private_key_id'], form: `private_key_id${assigned}([0-9a-f]{40})` },
  { name: 'Google OAuth client', literals: ['GOCSPX-'], form: 'GOCSPX-[A-Za-z0-9_-]{28}' },
  { name: 'Google access token', literals: ['ya29.'], form: 'ya29\\.[A-Za-z0-9_-]{60,600}' },
  { name: 'Alibaba', literals: ['LTAI'], form: 'LTAI[A-Za-z0-9]{12,24}' },
  { name: 'DigitalOcean', literals: ['dop_v1_', 'doo_v1_', 'dor_v1_'], form: 'do[opr]_v1_[0-9a-f]{64}' },
  { name: 'Databricks', literals: ['dapi'], form: 'dapi[0-9a-f]{32}(?:-[0-9])?' },
  { name: 'Vault', literals: ['hvs.', 'hvb.', 'hvr.'], form: 'hv[sbr]\\.[A-Za-z0-9_-]{24,300}' },
  { name: 'Terraform', literals: ['.atlasv1.'], glued: true, form: '\\.atlasv1\\.[A-Za-z0-9_-]{60,70}' },
  { name: 'Supabase', literals: ['sbp_'], form: 'sbp_[0-9a-f]{40}' },
  { name: 'PlanetScale', literals: ['pscale_'], form: 'pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,64}' },
  { name: 'Pulumi', literals: ['pul-'], form: 'pul-[0-9a-f]{40}' },
  {
    name: 'Doppler',
    literals: ['dp.'],
    form: 'dp\\.(?:pt|st|ct|sa|scim|audit)\\.(?:[a-z0-9_-]{2,35}\\.)?[A-Za-z0-9]{40,44}',
  },
  { name: 'Fly.io', literals: ['fo1_'], form: 'fo1_[A-Za-z0-9_-]{43}' },
  { name: 'Heroku', literals: ['HRKU-'], form: 'HRKU-AA[A-Za-z0-9_-]{58}' },
  {
    name: 'Heroku, old',
    literals: ['heroku'],
    words: true,
    form: `heroku[a-z_ .-]{0,20}(?:key|token)${assigned}([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})`,
  },
  { name: 'Scaleway', literals: ['SCW'], form: 'SCW[A-Z0-9a-z]{17}' },
  { name: 'Yandex', literals: ['AQVN'], form: 'AQVN[A-Za-z0-9_-]{35,38}' },
  {
    name: 'Cloudflare',
    literals: ['cloudflare'],
    words: true,
    form: `cloudflare[a-z_ .-]{0,20}(?:key|token)${assigned}([A-Za-z0-9_-]{40})`,
  },
];

const byPrefix = compileRules(rules);

/** Access keys, secrets and tokens of cloud platforms. */
export const findCloudKeys = byPrefix;
