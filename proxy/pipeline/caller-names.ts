import type { Actor, ActorSource } from '../../storage/schema/run.ts';

const maxNameLength = 256;
const maxTags = 32;
const printable = /^[\x20-\x7e]+$/;

/**
 * Reads an actor's written form: `user-a` is a human, `service:x` a service, `system:x` the system.
 * Returns null for text that is empty, longer than 256 characters or not printable ASCII.
 */
export function readActor(text: string, source: ActorSource): Actor | null {
  const trimmed = text.trim();
  if (!isName(trimmed)) return null;
  const [, prefix, rest] = /^(human|service|system):(.+)$/.exec(trimmed) ?? [];
  if (prefix === undefined || rest === undefined) return { type: 'human', id: trimmed, source };
  return { type: prefix === 'service' ? 'service' : prefix === 'system' ? 'system' : 'human', id: rest, source };
}

/** The written form again, as policies and limits name actors. */
export function writeActor(actor: Actor): string {
  return actor.type === 'human' ? actor.id : `${actor.type}:${actor.id}`;
}

/** Whether a caller's name for something is 1 to 256 printable ASCII characters. */
export function isName(text: string): boolean {
  return text.length > 0 && text.length <= maxNameLength && printable.test(text);
}

/** Reads `k=v,k2=v2`. Returns a sentence where it is malformed: an empty name, a repeated name, or too much of either. */
export function readTags(text: string): Record<string, string> | string {
  const tags: Record<string, string> = Object.create(null);
  const parts = text.split(',').filter((part) => part.trim() !== '');
  if (parts.length > maxTags) return `x-hoc-tags holds more than ${maxTags} tags.`;
  for (const part of parts) {
    const at = part.indexOf('=');
    const name = (at === -1 ? part : part.slice(0, at)).trim();
    const value = at === -1 ? '' : part.slice(at + 1).trim();
    if (!/^[A-Za-z0-9_.-]{1,64}$/.test(name)) return 'x-hoc-tags must look like team=search,env=prod.';
    if (value !== '' && !isName(value)) return `The value of tag ${name} is too long or not printable ASCII.`;
    if (name in tags) return `Tag ${name} stands twice in x-hoc-tags.`;
    tags[name] = value;
  }
  return { ...tags };
}
