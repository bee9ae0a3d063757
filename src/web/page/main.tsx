/** One script for all pages: each is loaded by itself, and the path says which it is. */
import { render } from 'preact';
import { ConnectionPage } from './connection-page.tsx';
import { DeadLettersPage } from './dead-letters-page.tsx';
import { followNews } from './news.ts';
import { StatusPage } from './status-page.tsx';
import { followTimeline } from './timeline.ts';

const [, encoded] = /^\/connections\/([^/]+)$/.exec(location.pathname) ?? [];
const id = encoded === undefined ? null : decodeURIComponent(encoded);
const isLetters = location.pathname === '/dead-letters';

followNews();
if (!isLetters) followTimeline(id);
document.querySelector('noscript')?.remove();
render(isLetters ? <DeadLettersPage /> : id === null ? <StatusPage /> : <ConnectionPage id={id} />, document.body);
