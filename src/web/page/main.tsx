/** One script for all pages: each is loaded by itself, and the path says which it is. */
import { render } from 'preact';
import { ConnectionPage } from './connection-page.tsx';
import { DeadLettersPage } from './dead-letters-page.tsx';
import { followNews } from './news.ts';
import { StatusPage } from './status-page.tsx';
import { followTimeline } from './timeline.ts';

function page() {
  const [, id] = /^\/connections\/([^/]+)$/.exec(location.pathname) ?? [];
  if (id !== undefined) return <ConnectionPage id={decodeURIComponent(id)} />;
  return location.pathname === '/dead-letters' ? <DeadLettersPage /> : <StatusPage />;
}

followNews();
if (location.pathname !== '/dead-letters') followTimeline();
document.querySelector('noscript')?.remove();
render(page(), document.body);
