import type { ReactNode } from 'react';

/** A message that stays in its place: an error as an alert, anything else as a status. */
export function Notice({ tone, children }: { tone: 'error' | 'warning' | 'info'; children: ReactNode }) {
  return (
    <div className={`notice notice-${tone}`} role={tone === 'error' ? 'alert' : 'status'}>
      {children}
    </div>
  );
}
