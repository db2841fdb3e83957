import { useMemo } from 'react';
import { useCell } from '../cell';
import { useWords } from '../i18n';
import { useAgents } from '../live/LiveProvider';
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
  return useMemo(() => {
    const byUser = new Map([...agents.values()].map((agent) => [agent.userId, agent.displayName]));
    const me = mine.token === null ? undefined : mine.user;
    return {
      agent: (id) => agents.get(id)?.code ?? t.task.agent(String(id)),
      user: (id) => {
        if (id === 0n) return t.task.system;
        if (id === me?.id) return t.task.me(me.displayName || me.email);
        return byUser.get(id) || t.task.user(String(id));
      },
    };
  }, [agents, mine, t]);
}
