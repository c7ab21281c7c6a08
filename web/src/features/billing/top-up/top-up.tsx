import { Nothing } from '../../../shared/ui/index.ts';

export default function Part() {
  return <Nothing />;
}
