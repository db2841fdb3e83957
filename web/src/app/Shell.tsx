import type { ReactNode } from 'react';
import { Link, useRoute } from 'wouter';
import { useCell } from '../cell';
import { useConfig } from '../config';
import { useWords } from '../i18n';
import { endSession, session } from '../rpc/session';
import { Icon, type IconName } from '../ui/Icon';
import { useNow } from '../ui/useNow';
import { Connection, StaleBanner } from './Connection';
import { LanguageSwitch, ThemeSwitch } from './switches';
import './shell.css';

export function Shell({ children }: { children: ReactNode }) {
  const { t } = useWords();
  return (
    <div className="shell">
      <a className="skip" href="#main">
        {t.app.skip}
      </a>
      <header className="top">
        <Brand />
        <nav className="nav" aria-label={t.app.sections}>
          <NavLink to="/" also="/board/:id?" icon="board" text={t.app.board} />
          <NavLink to="/map" also="/map/:id?" icon="map" text={t.app.map} />
          <NavLink to="/create" also="/create" icon="plus" text={t.app.create} />
        </nav>
        <div className="top-end">
          <Connection />
          <Clock />
          <ThemeSwitch />
          <LanguageSwitch />
          <Me />
        </div>
      </header>
      <StaleBanner />
      <main id="main" className="main" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

export function Brand() {
  const { t } = useWords();
  const { environment } = useConfig();
  return (
    <div className="brand">
      <img className="brand-mark" src="/icon.svg" alt="" width="32" height="32" />
      <span className="brand-name">{t.app.name}</span>
      {environment && environment !== 'production' && <span className="brand-env">{environment}</span>}
    </div>
  );
}

function NavLink({ to, also, icon, text }: { to: string; also: string; icon: IconName; text: string }) {
  const [exact] = useRoute(to);
  const [within] = useRoute(also);
  return (
    <Link href={to} className="nav-link" aria-current={exact || within ? 'page' : undefined}>
      <Icon name={icon} />
      <span>{text}</span>
    </Link>
  );
}

function Clock() {
  const { format } = useWords();
  return <time className="clock">{format.clock(useNow())}</time>;
}

function Me() {
  const { t } = useWords();
  const mine = useCell(session);
  if (mine.token === null) return null;
  return (
    <div className="me">
      <span className="me-name">{mine.user.displayName || mine.user.email}</span>
      <span className="me-level">{t.levels[mine.user.level]}</span>
      <button type="button" className="icon-button" aria-label={t.app.signOut} title={t.app.signOut} onClick={() => endSession(false)}>
        <Icon name="leave" />
      </button>
    </div>
  );
}
