import { useQueryClient } from '@tanstack/react-query';
import { lazy, Suspense, useEffect } from 'react';
import { Route, Switch } from 'wouter';
import { BoardPage } from '../board/BoardPage';
import { useCell } from '../cell';
import { useWords } from '../i18n';
import { LiveProvider } from '../live/LiveProvider';
import { session } from '../rpc/session';
import { SignInPage } from '../signin/SignInPage';
import { Toasts } from '../ui/toast';
import { CrashGuard } from './CrashGuard';
import { NotFoundPage } from './NotFoundPage';
import { Shell } from './Shell';

const MapPage = lazy(() => import('../map/MapPage'));
const CreatePage = lazy(() => import('../create/CreatePage'));

export function App() {
  const { token } = useCell(session);
  const queries = useQueryClient();

  useEffect(() => {
    if (token === null) queries.clear();
  }, [token, queries]);

  return (
    <>
      {token === null ? (
        <SignInPage />
      ) : (
        <LiveProvider key={token}>
          <Shell>
            <CrashGuard>
              <Pages />
            </CrashGuard>
          </Shell>
        </LiveProvider>
      )}
      <Toasts />
    </>
  );
}

function Pages() {
  const { t } = useWords();
  return (
    <Suspense fallback={<p className="page-loading">{t.app.loading}</p>}>
      <Switch>
        <Route path="/">
          <BoardPage />
        </Route>
        <Route path="/board/:id?">{({ id }) => <BoardPage openId={id} />}</Route>
        <Route path="/map/:id?">{({ id }) => <MapPage openId={id} />}</Route>
        <Route path="/create">
          <CreatePage />
        </Route>
        <Route>
          <NotFoundPage />
        </Route>
      </Switch>
    </Suspense>
  );
}
