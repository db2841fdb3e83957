import type { ReactNode } from 'react';

export interface PartProps {
  /** Heading and ways to the other parts. */
  nav: ReactNode;
  openId?: string | undefined;
}

interface Props {
  nav: ReactNode;
  title: string;
  inert?: boolean;
  children: ReactNode;
}

export function Sheet({ nav, title, inert = false, children }: Props) {
  return (
    <div className="sheet-scroll" inert={inert}>
      <div className="page sheet sheet-wide">
        {nav}
        <section className="sheet-part" aria-label={title}>
          {children}
        </section>
      </div>
    </div>
  );
}
