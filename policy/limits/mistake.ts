/** One field of a limit and what is wrong with it. */
export type Mistake = readonly [field: string, message: string];

const idForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** What is wrong with an id at `field`, if anything. */
export function checkId(id: unknown, field: string): Mistake[] {
  if (typeof id === 'string' && idForm.test(id)) return [];
  return [[field, 'expected 1 to 64 letters, digits, dots, dashes or underscores, a letter or digit first']];
}
