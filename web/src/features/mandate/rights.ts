import { type Membership, type Session, useMandate, useSession } from '../../shared/session/index.ts';

export type Rank = Membership['role'];

/** What somebody may do on this page: the table of `docs/roles.md`, as far as it is about this page. */
export interface Rights {
  /** See, add, change and remove people, and invite them. */
  readonly people: boolean;
  /** See and make everybody's keys and the organisation's own; else only one's own user keys. */
  readonly allKeys: boolean;
  readonly audit: boolean;
  /** See the settings, and change how calls are treated. */
  readonly settings: boolean;
  /** The organisation's name, language and time zone. */
  readonly rename: boolean;
  /** What the organisation pays and owes, and how much of the installation it may take. */
  readonly terms: boolean;
}

const EVERYTHING: Rights = { people: true, allKeys: true, audit: true, settings: true, rename: true, terms: true };
const NOTHING: Rights = {
  people: false,
  allKeys: false,
  audit: false,
  settings: false,
  rename: false,
  terms: false,
};

const RIGHTS: Record<Rank, Rights> = {
  operator: EVERYTHING,
  owner: { ...EVERYTHING, terms: false },
  finance: { ...NOTHING, audit: true, settings: true },
  member: NOTHING,
};

/** An operator who is also a member stays an operator: so the API sees it, too. */
export function rightsOf(session: Pick<Session, 'operator'>, mandate: Pick<Membership, 'role'>): Rights {
  return RIGHTS[session.operator ? 'operator' : mandate.role];
}

export function useRights(): Rights {
  return rightsOf(useSession(), useMandate());
}
