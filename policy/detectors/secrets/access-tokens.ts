import type { Span } from '../detector.ts';
import type { View } from '../view.ts';
import { looksRandom } from './placeholder.ts';
import { compileRules, type SecretRule } from './secret-rule.ts';

/**
 * Tokens of services. Sources: the services' own pages, GitHub secret scanning and gitleaks for prefixes and lengths; JSON Web
 * Tokens by RFC 7519 (both first parts are JSON objects, so they begin with `eyJ`), bearer tokens by RFC 6750.
 */
const rules: readonly SecretRule[] = [
  { name: 'GitHub', literals: ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'], form: 'gh[pousr]_[A-Za-z0-9]{36,251}' },
  { name: 'GitHub, fine-grained', literals: ['github_pat_'], form: 'github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}' },
  {
    name: 'GitLab',
    literals: ['glpat-', 'gldt-', 'glrt-', 'glcbt-', 'glptt-', 'glft-', 'glsoat-', 'glagent-'],
    form: 'gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent)-[A-Za-z0-9_.-]{20,120}',
  },
  {
    name: 'Slack',
    literals: ['xoxb-', 'xoxp-', 'xoxa-', 'xoxr-', 'xoxs-', 'xoxe-', 'xoxc-'],
    form: 'xox[abceprs]-[A-Za-z0-9-]{20,250}',
  },
  { name: 'Slack, app', literals: ['xapp-'], form: 'xapp-[0-9]-[A-Z0-9]+-[0-9]+-[0-9a-f]{64}' },
  {
    name: 'Slack, webhook',
    literals: ['hooks.slack.com/'],
    form: 'hooks\\.slack\\.com/(?:services|workflows)/T[A-Z0-9]{6,12}/[A-Z0-9]{6,14}/[A-Za-z0-9]{20,30}',
  },
  {
    name: 'Stripe',
    literals: ['sk_live_', 'sk_test_', 'rk_live_', 'rk_test_'],
    form: '[rs]k_(?:live|test)_[A-Za-z0-9]{20,247}',
  },
  { name: 'Stripe, webhook', literals: ['whsec_'], form: 'whsec_[A-Za-z0-9+/]{32,64}' },
  { name: 'npm', literals: ['npm_'], form: 'npm_[A-Za-z0-9]{36}' },
  { name: 'PyPI', literals: ['pypi-AgE'], form: 'pypi-AgE[A-Za-z0-9_-]{60,300}' },
  { name: 'RubyGems', literals: ['rubygems_'], form: 'rubygems_[0-9a-f]{48}' },
  { name: 'Docker', literals: ['dckr_'], form: 'dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,40}' },
  {
    name: 'JSON Web Token',
    literals: ['eyJ'],
    form: 'eyJ[A-Za-z0-9_-]{10,300}\\.eyJ[A-Za-z0-9_-]{10,600}\\.[A-Za-z0-9_-]{20,350}',
  },
  { name: 'bearer', literals: ['bearer '], words: true, form: 'bearer\\s([A-Za-z0-9._~+/-]{20,600}={0,2})' },
  { name: 'basic', literals: ['basic '], words: true, form: 'basic\\s([A-Za-z0-9+/]{20,300}={0,2})' },
  { name: 'token header', literals: ['token '], words: true, form: 'token\\s([0-9a-f]{40})' },
  { name: 'SendGrid', literals: ['SG.'], form: 'SG\\.[A-Za-z0-9_-]{22}\\.[A-Za-z0-9_-]{43}' },
  { name: 'Twilio', literals: ['SK'], form: 'SK[0-9a-f]{32}' },
  { name: 'Mailgun', literals: ['key-'], form: 'key-[0-9a-f]{32}' },
  { name: 'Shopify', literals: ['shpat_', 'shpss_', 'shpca_', 'shppa_'], form: 'shp(?:at|ss|ca|pa)_[0-9a-fA-F]{32}' },
  { name: 'Square', literals: ['sq0'], form: 'sq0(?:csp|atp)-[A-Za-z0-9_-]{22,43}' },
  { name: 'Atlassian', literals: ['ATATT3', 'ATCTT3', 'ATBB'], form: 'AT(?:ATT3|CTT3|BB)[A-Za-z0-9_=-]{24,220}' },
  { name: 'Notion', literals: ['ntn_', 'secret_'], form: '(?:ntn_[A-Za-z0-9]{46}|secret_[A-Za-z0-9]{43})' },
  { name: 'Linear', literals: ['lin_api_'], form: 'lin_api_[A-Za-z0-9]{40}' },
  { name: 'Figma', literals: ['figd_'], form: 'figd_[A-Za-z0-9_-]{40,43}' },
  { name: 'Airtable', literals: ['pat'], form: 'pat[A-Za-z0-9]{14}\\.[0-9a-f]{64}' },
  { name: 'Facebook', literals: ['EAA'], form: 'EAA[A-Za-z0-9]{100,300}' },
  { name: 'Sentry', literals: ['sntrys_', 'sntryu_'], form: 'sntry[su]_[A-Za-z0-9+/=_-]{60,300}' },
  { name: 'New Relic', literals: ['NRAK-'], form: 'NRAK-[A-Z0-9]{27}' },
  {
    name: 'Grafana',
    literals: ['glsa_', 'glc_'],
    form: '(?:glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}|glc_[A-Za-z0-9+/]{32,400}={0,2})',
  },
  { name: 'PostHog', literals: ['phx_'], form: 'phx_[A-Za-z0-9]{43,50}' },
  { name: 'Postman', literals: ['PMAK-'], form: 'PMAK-[0-9a-f]{24}-[0-9a-f]{34}' },
  { name: 'Telegram', literals: [':AA'], glued: true, form: ':AA[A-Za-z0-9_-]{33}' },
  {
    name: 'Mailchimp',
    literals: ['mailchimp'],
    words: true,
    form: 'mailchimp[a-z_ .:="-]{0,20}([0-9a-f]{32}-us[0-9]{1,2})',
  },
  {
    name: 'Discord',
    literals: ['discord'],
    words: true,
    form: 'discord(?:app\\.com/api/webhooks/[0-9]{17,20}/|\\.com/api/webhooks/[0-9]{17,20}/|[a-z_ .:="-]{1,20})([A-Za-z0-9_-]{60,80}|[MNO][A-Za-z0-9_-]{23,27}\\.[A-Za-z0-9_-]{6}\\.[A-Za-z0-9_-]{27,40})',
  },
  {
    name: 'user and password in a URL',
    literals: ['://'],
    glued: true,
    form: `://([A-Za-z0-9._~%-]{1,64}:[^\\s:@/"'<>{}$*]{8,128})@`,
  },
];

const byForm = compileRules(rules);

/** A name that ends in a word for secrets, and what is assigned to it. */
const byName = compileRules([
  {
    name: 'assigned',
    literals: ['api_key', 'apikey', 'api-key', 'secret', 'token'],
    words: true,
    glued: true,
    form: `(?:api[_-]?key|secret(?:[_-]?(?:key|token))?|token)["']?\\s{0,3}[:=]\\s{0,3}["']?([A-Za-z0-9_+/.-]{24,200}={0,2})`,
  },
]);

/** Access tokens of services, and what is assigned to a name such as `client_secret` where it looks drawn at random. */
export function findAccessTokens(view: View): Span[] {
  const assigned = byName(view).filter(({ start, end }) => looksRandom(view.text.slice(start, end)));
  const bearers = byForm(view).filter(({ start, end }) => looksRandom(view.text.slice(start, end)));
  return [...bearers, ...assigned];
}

/** Compiles the rules of `findAccessTokens`, step by step. */
export function* warmAccessTokens(): Generator<void, void> {
  yield* byForm.warm();
  yield* byName.warm();
}
