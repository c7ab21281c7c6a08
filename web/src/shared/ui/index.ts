export { Answered, Nothing, Page, Panel, Waiting } from './page.tsx';
export { commonTexts } from './texts.ts';
export { NotFound, showDone, showTrouble, Trouble, troubleText } from './trouble.tsx';
