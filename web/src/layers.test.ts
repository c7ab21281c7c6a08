import { expect, it } from 'vitest';

const sources = import.meta.glob('./**/*.{ts,tsx}', { query: '?raw', import: 'default', eager: true }) as Record<
  string,
  string
>;

function importsOf(path: string, source: string): string[] {
  return [...source.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(([, target]) => {
    const { pathname } = new URL(target ?? '', new URL(path, 'file:///'));
    return `.${pathname}`;
  });
}

const featureOf = (path: string) => /^\.\/features\/([^/]+)\//.exec(path)?.[1];

const forbidden = Object.entries(sources).flatMap(([path, source]) =>
  importsOf(path, source)
    .filter((target) => {
      const [from, to] = [featureOf(path), featureOf(target)];
      return (
        (path.startsWith('./shared/') && to !== undefined) || (from !== undefined && to !== undefined && from !== to)
      );
    })
    .map((target) => `${path} -> ${target}`),
);

it('shared code knows no feature, and no feature another', () => {
  expect(Object.keys(sources).length).toBeGreaterThan(20);
  expect(forbidden).toEqual([]);
});
