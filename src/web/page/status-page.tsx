import { ConnectionRow } from './connection-row.tsx';
import { Frame } from './frame.tsx';
import { Installation } from './installation.tsx';
import { overview } from './news.ts';
import { Legend } from './strip-chart.tsx';
import { TopLine } from './top-line.tsx';
import { bySeverity, judge } from './verdict.ts';

export function StatusPage() {
  const current = overview.value;
  return (
    <Frame title={current === null ? 'Status' : judge(current).headline}>
      <TopLine />
      {current !== null && (
        <>
          <section aria-labelledby="connections">
            <div class="section-head">
              <h2 id="connections">Connections, and their last 24 hours</h2>
              <Legend />
            </div>
            <ul class="connections">
              {[...current.status.connections].sort(bySeverity).map((connection) => (
                <ConnectionRow key={connection.id} connection={connection} />
              ))}
            </ul>
            {current.status.connections.length === 0 && (
              <p class="card">
                Name one in holdfast.yaml: <a href="/docs/configuration.html">configuration</a>.
              </p>
            )}
          </section>
          <Installation overview={current} />
        </>
      )}
    </Frame>
  );
}
