import { type ReactNode, useEffect, useId, useRef } from 'react';
import { useWords } from '../i18n';
import { Icon } from './Icon';

interface Props {
  title: ReactNode;
  /** Changes when the drawer shows another thing: focus moves to its title again. */
  subject: string;
  onClose: () => void;
  children: ReactNode;
}

/** A panel at the side. The page beside it stays in use; on a phone it covers the page. Escape closes it. */
export function Drawer({ title, subject, onClose, children }: Props) {
  const { t } = useWords();
  const id = useId();
  const heading = useRef<HTMLHeadingElement>(null);

  useEffect(() => {
    const before = document.activeElement;
    heading.current?.focus();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, [subject]);

  useEffect(() => {
    const close = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && !event.defaultPrevented) onClose();
    };
    window.addEventListener('keydown', close);
    return () => window.removeEventListener('keydown', close);
  }, [onClose]);

  return (
    <aside className="drawer" role="dialog" aria-labelledby={id}>
      <header className="drawer-head">
        <h2 className="drawer-title" id={id} ref={heading} tabIndex={-1}>
          {title}
        </h2>
        <button type="button" className="icon-button" aria-label={t.app.close} onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <div className="drawer-body">{children}</div>
    </aside>
  );
}
