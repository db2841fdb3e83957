import { lazy } from 'react';
import { NotFoundPage } from '../app/NotFoundPage';
import { usePart } from '../i18n/part';
import { SheetNav } from '../ui/SheetNav';
import { UsersPart } from './UsersPart';
import { words } from './words';
import './admin.css';

const PARTS = {
  users: UsersPart,
  audit: lazy(() => import('./AuditPart')),
  retention: lazy(() => import('./RetentionPart')),
  permissions: lazy(() => import('./PermissionsPart')),
} as const;

type PartName = keyof typeof PARTS;

interface Props {
  part?: string | undefined;
  openId?: string | undefined;
}

export default function AdminPage({ part = 'users', openId }: Props) {
  const w = usePart(words);
  if (!isPart(part)) return <NotFoundPage />;
  const Shown = PARTS[part];
  const nav = (
    <>
      <h1>{w.title}</h1>
      <SheetNav label={w.title} base="/admin" parts={w.parts} part={part} />
    </>
  );
  return <Shown nav={nav} openId={openId} />;
}

function isPart(name: string): name is PartName {
  return Object.hasOwn(PARTS, name);
}
