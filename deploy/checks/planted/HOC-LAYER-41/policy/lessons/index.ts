export const planted = 'imports nothing, imported by nothing';
