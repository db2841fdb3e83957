import { lazy } from 'react';
import { NotFoundPage } from '../app/NotFoundPage';
import { useCell } from '../cell';
import { UserLevel } from '../gen/gad/v1/rule_pb';
import { usePart } from '../i18n/part';
import { session } from '../rpc/session';
import { SheetNav } from '../ui/SheetNav';
import { UsersPart } from './UsersPart';
import { words } from './words';
import './admin.css';

const PARTS = {
  users: UsersPart,
  templates: lazy(() => import('../plan/TemplatesPart')),
  geofences: lazy(() => import('../fence/GeofencesPart')),
  policies: lazy(() => import('../policy/PoliciesPart')),
  rules: lazy(() => import('../notify/RulesPart')),
  webhooks: lazy(() => import('../notify/WebhooksPart')),
  deliveries: lazy(() => import('../notify/DeliveriesPart')),
  audit: lazy(() => import('./AuditPart')),
  retention: lazy(() => import('./RetentionPart')),
  permissions: lazy(() => import('./PermissionsPart')),
} as const;

type PartName = keyof typeof PARTS;

/** What supervisors keep too. */
const SUPERVISED: readonly PartName[] = ['templates', 'geofences'];

interface Props {
  part?: string | undefined;
  openId?: string | undefined;
}

export default function AdminPage({ part, openId }: Props) {
  const w = usePart(words);
  const mine = useCell(session);
  const isAdministrator = mine.token !== null && mine.user.level === UserLevel.ADMINISTRATOR;
  const names = (Object.keys(PARTS) as PartName[]).filter((name) => isAdministrator || SUPERVISED.includes(name));
  const shown = part ?? names[0];
  const name = names.find((one) => one === shown);
  if (!name) return <NotFoundPage />;
  const Shown = PARTS[name];
  const parts = Object.fromEntries(names.map((one) => [one, w.parts[one]]));
  const nav = (
    <>
      <h1>{w.title}</h1>
      <SheetNav label={w.title} base="/admin" parts={parts} part={name} />
    </>
  );
  return <Shown nav={nav} openId={openId} />;
}
