export { MandateProvider, type Membership, seesPool, useChosenMandate, useMandate } from './mandate.tsx';
export { leavePlace, seePlace, takePlace } from './place.ts';
export { SESSION_KEY, type Session, useSession, useSessionQuery } from './session.ts';
