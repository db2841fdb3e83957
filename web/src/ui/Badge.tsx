import type { ReactNode } from 'react';

/** `tone` names a colour pair of `tokens.css`. */
export function Badge({ tone, children }: { tone: string; children: ReactNode }) {
  return <span className={`badge tone-${tone}`}>{children}</span>;
}
