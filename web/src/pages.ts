import { IconBuilding, IconMessages, IconServer2, IconWallet } from '@tabler/icons-react';
import type { ComponentType } from 'react';
import type { Membership, Session } from './shared/session/index.ts';
import type { FramePage } from './shared/ui/frame.tsx';

export interface PageEntry extends FramePage {
  /** Loaded when first opened. The module's default export is the page. */
  readonly load: () => Promise<{ default: ComponentType }>;
  readonly isFor: (session: Session, mandate: Membership | null) => boolean;
}

/** The pages in the order of the navigation, each with everything below its path. A new one is a line here. */
export const PAGES: readonly PageEntry[] = [
  {
    path: '/workspace',
    text: 'workspace',
    icon: IconMessages,
    load: () => import('./features/workspace/page.tsx'),
    isFor: (_, mandate) => mandate !== null && mandate.userId !== null,
  },
  {
    path: '/billing',
    text: 'billing',
    icon: IconWallet,
    load: () => import('./features/billing/page.tsx'),
    isFor: (_, mandate) => mandate !== null,
  },
  {
    path: '/mandate',
    text: 'mandate',
    icon: IconBuilding,
    load: () => import('./features/mandate/page.tsx'),
    isFor: (_, mandate) => mandate !== null,
  },
  {
    path: '/operator',
    text: 'operator',
    icon: IconServer2,
    load: () => import('./features/operator/page.tsx'),
    isFor: (session) => session.operator,
  },
];
