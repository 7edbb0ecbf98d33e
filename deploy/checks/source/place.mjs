import { sourceFolders } from '../layers/paths.mjs';

const product = new RegExp(`^(${sourceFolders.join('|')})/`);
const asset = /\.(lua|sql|jsonl?|md|html|css|svg|txt|pem)$/;

/** Folders and loose files that the layer table knows. Everything else has no layer, so no rule would bind it. */
const known = [
  /^proxy\/(routes|pipeline|dialects|upstream|inspector|shipper|simulator)\//,
  /^proxy\/[^/]+\.ts$/,
  /^policy\/[^/]+\//,
  /^storage\/[^/]+\//,
  /^console\/(routes|operations|jobs|migrate|check|doctor|measure|contract|witness|web)\//,
  /^console\/[^/]+\.ts$/,
  /^(cli|bench|test)\//,
];

const whole = (what) => [{ line: 1, what }];

export const placeRules = [
  {
    id: 'HOC-SOURCE-1',
    title: 'Every file stands in a folder of the layer table',
    reason: 'The folder says what a file may touch; a file outside the table is bound by nothing.',
    instead:
      'Move it into the folder of its layer; a new folder needs a decision record and its lines in deploy/checks.',
    applies: (path) => product.test(path),
    find: ({ path }) => (known.some((place) => place.test(path)) ? [] : whole('stands in no layer')),
  },
  {
    id: 'HOC-SOURCE-2',
    title: 'No file or folder is called service, utils, helpers, common, manager or facade',
    reason: 'Such a name says nothing, so everything fits under it, and it grows until nobody can say what it owns.',
    instead: 'Name it after what it does (a verb) or holds (a noun of the vocabulary).',
    applies: (path) => product.test(path) || path.startsWith('deploy/'),
    find: ({ path }) => {
      const bad = path
        .split('/')
        .find((part) => /service|(^|[-.])(utils?|helpers?|common|managers?|facades?)([-.]|$)/i.test(part));
      return bad === undefined ? [] : whole(`is called ${bad}`);
    },
  },
  {
    id: 'HOC-SOURCE-3',
    title: 'Sources are TypeScript in kebab-case files',
    reason: 'The types are the contract between layers; a file without them has none.',
    instead:
      'Write it as kebab-case.ts (.tsx only under console/web). Scripts, schemas and texts stand beside it as .lua, .sql, .json, .jsonl, .md.',
    applies: (path) => product.test(path) && !asset.test(path) && !/(^|\/)fixtures\//.test(path),
    find: ({ path }) => {
      const form = path.startsWith('console/web/') ? /\.(ts|tsx)$/ : /\.ts$/;
      if (!form.test(path)) return whole('is not TypeScript');
      return /(^|\/)[a-z0-9]+(-[a-z0-9]+)*(\.(test|d))?\.tsx?$/.test(path) ? [] : whole('is not in kebab-case');
    },
  },
];
