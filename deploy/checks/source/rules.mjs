import { contentRules } from './content.mjs';
import { placeRules } from './place.mjs';
import { shapeRules } from './shape.mjs';

/**
 * What dependency-cruiser cannot see: rules over names, places and the text of one file.
 *
 * Each has an id that never changes, a title, a reason, an instead, the files it `applies` to, and `find(file)`, which
 * answers `{line, what}` for every place that breaks it. A new rule takes the next free number and brings a planted file.
 */
export const sourceRules = [...placeRules, ...shapeRules, ...contentRules].sort(
  (a, b) => Number(a.id.slice(11)) - Number(b.id.slice(11)),
);
