import { useCallback, useDeferredValue, useState } from 'react';
import { Link, useLocation } from 'wouter';
import { UserLevel } from '../gen/gad/v1/rule_pb';
import type { User } from '../gen/gad/v1/user_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL, users } from '../rpc/clients';
import { usePages } from '../rpc/usePages';
import { pathId } from '../task/useTask';
import { Badge } from '../ui/Badge';
import { Button } from '../ui/Button';
import { Field, FieldFrame } from '../ui/Field';
import { Loaded } from '../ui/Loaded';
import { More } from '../ui/More';
import { Select } from '../ui/Select';
import { Table } from '../ui/Table';
import { useNarrow } from '../ui/useMedia';
import { useNow } from '../ui/useNow';
import { type PartProps, Sheet } from './Sheet';
import { badgesOf, type Filter, filterOf, STANDINGS, type Standing } from './standing';
import { InvitePanel } from './InvitePanel';
import { UserPanel } from './UserPanel';
import { words } from './words';

const BASE = '/admin/users';
const LEVELS = [UserLevel.AGENT, UserLevel.SUPERVISOR, UserLevel.ADMINISTRATOR] as const;

export function UsersPart({ nav, openId }: PartProps) {
  const { parts, users: w } = usePart(words);
  const [, go] = useLocation();
  const close = useCallback(() => go(BASE), [go]);
  const covered = useNarrow();
  const [filter, setFilter] = useState<Filter>({ text: '', level: UserLevel.UNSPECIFIED, standing: 'all' });
  const asked = useDeferredValue(filter);
  const list = usePages(['users', asked], async (page, signal) => {
    const answer = await users.listUsers({ ...page, filter: filterOf(asked) }, { ...CALL, signal });
    return { rows: answer.users, nextPageToken: answer.nextPageToken };
  });
  const id = pathId(openId);
  return (
    <div className="with-drawer">
      <Sheet nav={nav} title={parts.users} inert={covered && openId !== undefined}>
        <Filters filter={filter} onChange={setFilter} onInvite={() => go(`${BASE}/new`)} />
        <Loaded query={list}>
          {(rows) => (rows.length === 0 ? <p className="muted">{w.none}</p> : <UserTable users={rows} />)}
        </Loaded>
        <More list={list} />
      </Sheet>
      {openId === 'new' && <InvitePanel onClose={close} onInvited={(user) => go(`${BASE}/${user.id}`)} />}
      {id !== null && <UserPanel key={openId} id={id} onClose={close} />}
    </div>
  );
}

interface FiltersProps {
  filter: Filter;
  onChange: (filter: Filter) => void;
  onInvite: () => void;
}

function Filters({ filter, onChange, onInvite }: FiltersProps) {
  const { t } = useWords();
  const { users: w } = usePart(words);
  return (
    <form className="filter-row" role="search" onSubmit={(event) => event.preventDefault()}>
      <Field
        label={w.search}
        placeholder={w.searchHint}
        type="search"
        maxLength={200}
        value={filter.text}
        onChange={(event) => onChange({ ...filter, text: event.target.value })}
      />
      <Select<UserLevel>
        label={w.level}
        value={filter.level}
        options={[[UserLevel.UNSPECIFIED, w.anyLevel], ...LEVELS.map((level) => [level, t.levels[level]] as const)]}
        onChange={(level) => onChange({ ...filter, level })}
      />
      <FieldFrame label={w.standing}>
        {(ids) => (
          <select
            className="input"
            value={filter.standing}
            onChange={(event) => onChange({ ...filter, standing: event.target.value as Standing })}
            {...ids}
          >
            {STANDINGS.map((standing) => (
              <option key={standing} value={standing}>
                {w.standings[standing]}
              </option>
            ))}
          </select>
        )}
      </FieldFrame>
      <Button look="primary" onClick={onInvite}>
        {w.invite}
      </Button>
    </form>
  );
}

function UserTable({ users: rows }: { users: readonly User[] }) {
  const { t, format } = useWords();
  const { parts, users: w } = usePart(words);
  const now = useNow();
  return (
    <div className="scroll">
      <Table
        cards
        caption={parts.users}
        head={[w.name, w.email, w.level, w.standing, w.lastLogin]}
        rows={rows.map((user) => ({
          key: String(user.id),
          cells: [
            <Link className="row-link" href={`${BASE}/${user.id}`} key="name">
              {user.displayName || user.email}
            </Link>,
            user.email,
            t.levels[user.level],
            badgesOf(user, now).length > 0 && <UserBadges user={user} key="badges" />,
            user.lastLoginTime ? format.moment(user.lastLoginTime) : t.app.never,
          ],
        }))}
      />
    </div>
  );
}

export function UserBadges({ user }: { user: User }) {
  const { users: w } = usePart(words);
  const badges = badgesOf(user, useNow());
  return (
    <span className="badges">
      {badges.map(([name, tone]) => (
        <Badge key={name} tone={tone}>
          {w.badges[name]}
        </Badge>
      ))}
    </span>
  );
}
