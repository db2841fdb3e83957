import { useMemo } from 'react';
import { useCell } from '../cell';
import { useWords } from '../i18n';
import { useAgents } from '../live/LiveProvider';
import { useUserName } from '../people/names';
import { session } from '../rpc/session';

export interface Names {
  /** Call sign, or a number for an agent that the caller may not see. */
  readonly agent: (id: bigint) => string;
  readonly user: (id: bigint) => string;
}

export function useNames(): Names {
  const { t } = useWords();
  const agents = useAgents();
  const mine = useCell(session);
  const userName = useUserName();
  const users = useMemo(() => {
    const byUser = new Map([...agents.values()].map((agent) => [agent.userId, agent.displayName]));
    const me = mine.token === null ? undefined : mine.user;
    return (id: bigint) => (id === me?.id ? t.task.me(me.displayName || me.email) : byUser.get(id));
  }, [agents, mine, t]);
  return {
    agent: (id) => agents.get(id)?.code ?? t.task.agent(String(id)),
    user: (id) => (id === 0n ? t.task.system : users(id) || userName(id) || t.task.user(String(id))),
  };
}
