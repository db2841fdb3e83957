import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Permission } from '../gen/gad/v1/permission_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL } from '../rpc/clients';
import { permissions } from '../rpc/lateClients';
import { Field } from '../ui/Field';
import { Loaded } from '../ui/Loaded';
import { Table } from '../ui/Table';
import { type PartProps, Sheet } from './Sheet';
import { words } from './words';

export default function PermissionsPart({ nav }: PartProps) {
  const { t } = useWords();
  const { parts, permissions: w } = usePart(words);
  const [text, setText] = useState('');
  const known = useQuery({
    queryKey: ['permissions'],
    queryFn: ({ signal }) => permissions.listPermissions({}, { ...CALL, signal }),
    staleTime: Infinity,
  });
  const fits = ({ name, methods }: Permission) =>
    [name, ...methods.map((method) => method.name)].some((each) => each.toLowerCase().includes(text.trim().toLowerCase()));
  return (
    <Sheet nav={nav} title={parts.permissions}>
      <p className="muted">{w.text}</p>
      <div className="filter-row">
        <Field label={w.search} type="search" value={text} onChange={(event) => setText(event.target.value)} />
      </div>
      <Loaded query={known}>
        {(answer) => (
          <div className="scroll">
            <Table
              cards
              caption={parts.permissions}
              head={[w.name, w.level, w.scope, w.opens]}
              rows={answer.permissions.filter(fits).map((permission) => ({
                key: permission.name,
                cells: [
                  <code key="name">{permission.name}</code>,
                  t.levels[permission.level],
                  permission.scope ? t.app.yes : t.app.no,
                  <Methods key="methods" permission={permission} />,
                ],
              }))}
            />
          </div>
        )}
      </Loaded>
    </Sheet>
  );
}

function Methods({ permission }: { permission: Permission }) {
  const { t } = useWords();
  const { permissions: w } = usePart(words);
  return (
    <ul className="methods">
      {permission.methods.map(({ name, level, audited, stepUp }) => (
        <li key={name}>
          <code>{name}</code>{' '}
          <span className="muted">
            {[level !== permission.level && t.levels[level], audited && w.audited, stepUp && w.stepUp].filter(Boolean).join(' · ')}
          </span>
        </li>
      ))}
    </ul>
  );
}
