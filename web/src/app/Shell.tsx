import { type ReactNode, useEffect, useRef } from 'react';
import { Link, useLocation, useRoute } from 'wouter';
import { Bell } from '../bell/Bell';
import { useCell } from '../cell';
import { EmergencyBanner } from '../emergency/EmergencyBanner';
import { words as emergencyWords } from '../emergency/words';
import { UserLevel } from '../gen/gad/v1/rule_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { session } from '../rpc/session';
import { signOut } from '../rpc/signOut';
import { useCall } from '../rpc/useCall';
import { Icon, type IconName } from '../ui/Icon';
import { useNow } from '../ui/useNow';
import { Brand } from './Brand';
import { Connection, StaleBanner } from './Connection';
import { LanguageSwitch, ThemeSwitch } from './switches';
import './shell.css';

export function Shell({ children }: { children: ReactNode }) {
  const { t } = useWords();
  const emergencies = usePart(emergencyWords);
  const mine = useCell(session);
  const directs = mine.token !== null && mine.user.level >= UserLevel.SUPERVISOR;
  const nav = useRef<HTMLElement>(null);
  const [place] = useLocation();
  // On a phone the sections are pushed along; the present one is in sight.
  useEffect(() => {
    nav.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [place]);
  return (
    <div className="shell">
      <a className="skip" href="#main">
        {t.app.skip}
      </a>
      <header className="top">
        <Brand />
        <nav className="nav" aria-label={t.app.sections} ref={nav}>
          <NavLink to="/" also="/board/:id?" icon="board" text={t.app.board} />
          <NavLink to="/map" also="/map/:id?" icon="map" text={t.app.map} />
          <NavLink to="/emergencies" also="/emergencies/:id?" icon="alarm" text={emergencies.title} />
          <NavLink to="/statistics" also="/statistics" icon="chart" text={t.app.statistics} />
          <NavLink to="/create" also="/create" icon="plus" text={t.app.create} />
          {directs && <NavLink to="/admin" also="/admin/*?" icon="shield" text={t.app.admin} />}
        </nav>
        <div className="top-end">
          <Connection />
          <Clock />
          <Bell />
          <ThemeSwitch />
          <LanguageSwitch />
          <Me />
        </div>
      </header>
      <div className="banners">
        <StaleBanner />
        <EmergencyBanner />
      </div>
      <main id="main" className="main" tabIndex={-1}>
        {children}
      </main>
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
  const leave = useCall(signOut);
  if (mine.token === null) return null;
  return (
    <div className="me">
      <Link className="me-link" href="/account" aria-label={`${t.app.account}: ${mine.user.displayName}`} title={t.app.account}>
        <Icon name="person" />
        <span className="me-name">{mine.user.displayName || mine.user.email}</span>
        <span className="me-level">{t.levels[mine.user.level]}</span>
      </Link>
      <button
        type="button"
        className="icon-button"
        aria-label={t.app.signOut}
        title={t.app.signOut}
        aria-busy={leave.busy || undefined}
        onClick={() => leave.run(undefined)}
      >
        <Icon name="leave" />
      </button>
    </div>
  );
}
