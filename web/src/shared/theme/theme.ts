import { createTheme, type MantineColorsTuple } from '@mantine/core';

const fir: MantineColorsTuple = [
  '#ebf6f2',
  '#d7eae3',
  '#add5c6',
  '#80bfa7',
  '#5aad8d',
  '#42a27d',
  '#33966f',
  '#257a59',
  '#1f5f4f',
  '#124a3b',
];

/** Mantine's greys for the dark appearance, as cool as the ground of `global.css`. */
const slate: MantineColorsTuple = [
  '#d9dce2',
  '#b9bec8',
  '#9299a6',
  '#6d7482',
  '#4a505c',
  '#363b45',
  '#2a2e36',
  '#1e2128',
  '#16181d',
  '#101216',
];

/** Colours are checked for contrast (WCAG AA) in both appearances by the browser tests. */
export const theme = createTheme({
  colors: { fir, dark: slate },
  primaryColor: 'fir',
  primaryShade: { light: 8, dark: 7 },
  autoContrast: true,
  fontFamily: "'Inter Variable', system-ui, sans-serif",
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, monospace',
  headings: { fontFamily: "'Inter Variable', system-ui, sans-serif", fontWeight: '650' },
  defaultRadius: 'md',
  cursorType: 'pointer',
  respectReducedMotion: true,
});
