import { useQueryClient } from '@tanstack/react-query';
import { lazy, type ReactNode, Suspense, useEffect } from 'react';
import { Route, Switch } from 'wouter';
import { BoardPage } from '../board/BoardPage';
import { useCell } from '../cell';
import { ExpiredPasswordPage } from '../entry/ExpiredPasswordPage';
import { SignInPage } from '../entry/SignInPage';
import { UserLevel } from '../gen/gad/v1/rule_pb';
import { useWords } from '../i18n';
import { LiveProvider } from '../live/LiveProvider';
import { type Session, session } from '../rpc/session';
import { Toasts } from '../ui/toast';
import { CrashGuard } from './CrashGuard';
import { NotFoundPage } from './NotFoundPage';
import { ProofDialog } from './ProofDialog';
import { Shell } from './Shell';

const MapPage = lazy(() => import('../map/MapPage'));
const EmergencyPage = lazy(() => import('../emergency/EmergencyPage'));
const StatisticsPage = lazy(() => import('../statistics/StatisticsPage'));
const CreatePage = lazy(() => import('../create/CreatePage'));
const AccountPage = lazy(() => import('../account/AccountPage'));
const AdminPage = lazy(() => import('../admin/AdminPage'));
const ForgotPage = lazy(() => import('../entry/ForgotPage'));
const ResetPage = lazy(() => import('../entry/ResetPage'));
const InvitationPage = lazy(() => import('../entry/InvitationPage'));
const VerifyPage = lazy(() => import('../entry/VerifyPage'));
const RegisterPage = lazy(() => import('../entry/RegisterPage'));

export function App() {
  const mine = useCell(session);
  const queries = useQueryClient();
  const who = mine.token === null ? null : mine.sessionId;

  // Nobody sees what was asked for by somebody else.
  useEffect(() => () => queries.clear(), [who, queries]);

  return (
    <>
      <CrashGuard>
        <Loading>
          <Switch>
            <Route path="/forgot-password" component={ForgotPage} />
            <Route path="/reset-password" component={ResetPage} />
            <Route path="/accept-invitation" component={InvitationPage} />
            <Route path="/verify-email" component={VerifyPage} />
            <Route path="/register" component={RegisterPage} />
            <Route>
              <Inside mine={mine} />
            </Route>
          </Switch>
        </Loading>
      </CrashGuard>
      <ProofDialog />
      <Toasts />
    </>
  );
}

function Inside({ mine }: { mine: Session }) {
  if (mine.token === null) return <SignInPage />;
  if (mine.user.passwordExpired) return <ExpiredPasswordPage />;
  return (
    <LiveProvider key={mine.sessionId}>
      <Shell>
        <CrashGuard>
          <Loading>
            <Pages directs={mine.user.level >= UserLevel.SUPERVISOR} />
          </Loading>
        </CrashGuard>
      </Shell>
    </LiveProvider>
  );
}

function Loading({ children }: { children: ReactNode }) {
  const { t } = useWords();
  return <Suspense fallback={<p className="page-loading">{t.app.loading}</p>}>{children}</Suspense>;
}

function Pages({ directs }: { directs: boolean }) {
  return (
    <Switch>
      <Route path="/">
        <BoardPage />
      </Route>
      <Route path="/board/:id?">{({ id }) => <BoardPage openId={id} />}</Route>
      <Route path="/map/:id?">{({ id }) => <MapPage openId={id} />}</Route>
      <Route path="/emergencies/:id?">{({ id }) => <EmergencyPage openId={id} />}</Route>
      <Route path="/statistics">
        <StatisticsPage />
      </Route>
      <Route path="/create">
        <CreatePage />
      </Route>
      <Route path="/account/:part?">{({ part }) => <AccountPage part={part} />}</Route>
      {directs && <Route path="/admin/:part?/:id?">{({ part, id }) => <AdminPage part={part} openId={id} />}</Route>}
      <Route>
        <NotFoundPage />
      </Route>
    </Switch>
  );
}
