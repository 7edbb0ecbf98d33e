import { type CountryCode, getCountries, getCountryCallingCode, Metadata } from 'libphonenumber-js/max';

/** What libphonenumber holds of a country's plan; its declarations name a part of it. */
interface NumberingPlan {
  nationalNumberPattern(): string;
  nationalPrefixForParsing(): string | undefined;
  nationalPrefixTransformRule(): string | undefined;
  type(name: string): { pattern(): string | undefined } | undefined;
}

interface Plan {
  /** Whether the number, without prefixes, is one that a service of any kind has. */
  isAssigned(national: string): boolean;
  /** Without the prefix that is dialled inside the country, where it has one. */
  strip(digits: string): string;
}

const services = [
  ...['FIXED_LINE', 'MOBILE', 'TOLL_FREE', 'PREMIUM_RATE', 'SHARED_COST', 'PERSONAL_NUMBER', 'VOIP', 'UAN'],
  ...['PAGER', 'VOICEMAIL'],
];
/** Country codes of no country. Source: ITU-T E.164, as libphonenumber holds them. */
const nowhere = ['800', '808', '870', '878', '881', '882', '883', '888', '979'];
const longestCode = 3;

const plans = new Map<string, Plan>();
let countriesByCode: ReadonlyMap<string, readonly string[]> | null = null;

/**
 * Whether digits behind `+` are a number that its country, or one that shares the country code, assigns: by libphonenumber's full metadata, without its
 * parser, which takes twenty times as long.
 */
export function isInternational(digits: string): boolean {
  countriesByCode ??= listCodes();
  for (let size = 1; size <= longestCode; size += 1) {
    const countries = countriesByCode.get(digits.slice(0, size));
    if (countries === undefined) continue;
    return countries.some((country) => isAssignedIn(planOf(country), digits.slice(size)));
  }
  return false;
}

/** The same for digits as they are dialled inside a country, also those of a country that shares its code. */
export function isNationalIn(country: CountryCode, digits: string): boolean {
  countriesByCode ??= listCodes();
  const code = getCountryCallingCode(country);
  const bare = digits.startsWith(code) ? digits.slice(code.length) : null;
  return (countriesByCode.get(code) ?? []).some((sharing) => {
    const plan = planOf(sharing);
    return isAssignedIn(plan, digits) || (bare !== null && isAssignedIn(plan, bare));
  });
}

function isAssignedIn(plan: Plan, digits: string): boolean {
  return plan.isAssigned(digits) || plan.isAssigned(plan.strip(digits));
}

function listCodes(): ReadonlyMap<string, readonly string[]> {
  const codes = new Map<string, string[]>(nowhere.map((code) => [code, [code]]));
  for (const country of getCountries()) {
    const code = getCountryCallingCode(country);
    codes.set(code, [...(codes.get(code) ?? []), country]);
  }
  return codes;
}

function planOf(country: string): Plan {
  const plan = plans.get(country) ?? readPlan(country);
  plans.set(country, plan);
  return plan;
}

function readPlan(country: string): Plan {
  const metadata = new Metadata();
  metadata.selectNumberingPlan(country as CountryCode);
  const plan = metadata.numberingPlan as unknown as NumberingPlan;
  const patterns = services.flatMap((name) => plan.type(name)?.pattern() ?? []);
  const assigned = new RegExp(`^(?:${patterns.join('|')})$`);
  const general = new RegExp(`^(?:${plan.nationalNumberPattern()})$`);
  const prefix = plan.nationalPrefixForParsing();
  const dialled = prefix === undefined ? null : new RegExp(`^(?:${prefix})`);
  const rule = plan.nationalPrefixTransformRule();
  return {
    isAssigned: (national) => general.test(national) && assigned.test(national),
    strip: (digits) => (dialled === null ? digits : stripBy(digits, dialled, rule)),
  };
}

/** A prefix that holds a part of the number gives it back by its rule; where it is none of these, it goes as a whole. */
function stripBy(digits: string, prefix: RegExp, rule: string | undefined): string {
  const found = prefix.exec(digits);
  if (found === null) return digits;
  const holdsNumber = rule !== undefined && found.length > 1 && found.at(-1) !== undefined;
  return holdsNumber ? digits.replace(prefix, rule) : digits.slice(found[0].length);
}
