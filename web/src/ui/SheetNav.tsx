import { useEffect, useRef } from 'react';
import { Link } from 'wouter';

interface Props {
  label: string;
  base: string;
  parts: Readonly<Record<string, string>>;
  part: string;
}

/** Ways to the parts of a page; on a phone they are pushed along, and the present one is in sight. */
export function SheetNav({ label, base, parts, part }: Props) {
  const nav = useRef<HTMLElement>(null);

  useEffect(() => {
    nav.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
  }, [part]);

  return (
    <nav className="sheet-nav" aria-label={label} ref={nav}>
      {Object.entries(parts).map(([name, text]) => (
        <Link key={name} className="nav-link" href={`${base}/${name}`} aria-current={name === part ? 'page' : undefined}>
          {text}
        </Link>
      ))}
    </nav>
  );
}
