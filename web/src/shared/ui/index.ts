export { Confirm } from './confirm.tsx';
export { Copyable } from './copyable.tsx';
export { type Column, DataTable } from './data-table.tsx';
export { Dialog, fieldOf, fieldText, SendForm, type Sent, useSending } from './form.tsx';
export { Answered, Nothing, Page, Panel, Waiting } from './page.tsx';
export { type Paged, PagedList, usePaged } from './paged.tsx';
export { type SubPage, SubPages } from './sub-pages.tsx';
export { commonTexts } from './texts.ts';
export { NotFound, showDone, showTrouble, Trouble, troubleText } from './trouble.tsx';
