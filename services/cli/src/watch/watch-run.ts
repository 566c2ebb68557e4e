import { EXIT, schedulerV1, type installerV1, type sessionV1 } from '@lastcall/contracts';
import { protoJson } from '../render/proto-json.js';
import { outcomeWord } from '../render/words.js';
import type { Work } from '../work.js';
import { followRun, hasEnded } from './follow-run.js';
import { endLine, entryLine, runTitle, waitingLine } from './run-text.js';
import { runView, type RunKnown } from './run-view.js';

/*
 * Watches a run to its end: a view that changes on a terminal, one line an event elsewhere, one line of JSON a change with
 * `-o json`. Answers the exit code: 0 only when the run succeeded.
 */

export async function watchRun(work: Work, name: string, zone: string): Promise<number> {
  const run = await (work.json
    ? watchJson(work, name)
    : work.io.isTerminal
      ? watchLive(work, name, zone)
      : watchLines(work, name, zone));
  return outcomeWord(run.outcome) === 'succeeded' ? EXIT.done : EXIT.failed;
}

async function watchJson(work: Work, name: string): Promise<schedulerV1.Run> {
  let last = schedulerV1.Run.create();
  for await (const run of followRun(work.services, name)) {
    work.io.out.write(`${JSON.stringify(protoJson(schedulerV1.Run.toJSON(run)))}\n`);
    last = run;
  }
  return last;
}

async function watchLines(work: Work, name: string, zone: string): Promise<schedulerV1.Run> {
  let last: schedulerV1.Run | undefined;
  let waited = '';
  for await (const run of followRun(work.services, name)) {
    if (!last) work.note(`${runTitle(run)}; times in ${zone}`);
    for (const entry of run.timeline.slice(last?.timeline.length ?? 0)) work.note(entryLine(entry, zone));
    const waits = whatWaited(run);
    const line = waitingLine(run, zone);
    if (line !== undefined && waits !== waited) work.note(`          ${line}`);
    waited = waits;
    last = run;
  }
  const run = last ?? schedulerV1.Run.create();
  work.note(endLine(run) ?? 'ended');
  return run;
}

/** A percentage or a number of users that changes is no line of its own; another phase, deadline or host is. */
function whatWaited({ phase, waitingFor }: schedulerV1.Run): string {
  return JSON.stringify([phase, waitingFor?.dueTime, waitingFor?.hosts]);
}

const REDRAW_MS = 250;
const ASK_EVERY_MS = 1_000;

async function watchLive(work: Work, name: string, zone: string): Promise<schedulerV1.Run> {
  const screen = new LiveScreen(work, zone);
  try {
    for await (const run of followRun(work.services, name)) screen.show(run);
  } finally {
    await screen.stop();
  }
  return screen.run;
}

/** The view at the bottom of the terminal, drawn over itself. */
class LiveScreen {
  run = schedulerV1.Run.create();
  private hosts: readonly installerV1.Host[] = [];
  private tasks: readonly installerV1.HostTask[] = [];
  private gate: sessionV1.Gate | undefined;
  private sessions: number | undefined;
  private drawnLines = 0;
  private asking: Promise<void> | undefined;
  private askedAt = 0;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly work: Work,
    private readonly zone: string,
  ) {
    this.timer = setInterval(() => this.tick(), REDRAW_MS);
  }

  show(run: schedulerV1.Run): void {
    this.run = run;
    this.tick();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.asking;
    await this.ask();
    this.draw();
  }

  private tick(): void {
    if (!this.asking && Date.now() - this.askedAt >= ASK_EVERY_MS && this.run.spec && !hasEnded(this.run)) {
      this.asking = this.ask().finally(() => {
        this.asking = undefined;
        this.askedAt = Date.now();
      });
    }
    this.draw();
  }

  /** What the run itself does not say. What cannot be asked now is shown as it was. */
  private async ask(): Promise<void> {
    const { services } = this.work;
    const installation = this.run.spec?.installation ?? '';
    const run = this.run.spec?.run ?? '';
    if (installation === '') return;
    const parent = `installations/${installation}`;
    const options = { timeoutMs: 2_000 };
    const [hosts, plan, gate, sessions] = await Promise.allSettled([
      services.installer.listHosts({ parent, pageSize: 1_000, pageToken: '' }, options),
      services.installer.getPlan({ name: `${parent}/plans/${run}` }, options),
      services.session.getGate({ name: `${parent}/gate` }, options),
      services.session.countSessions({ parent }, options),
    ]);
    if (hosts.status === 'fulfilled') this.hosts = hosts.value.hosts;
    if (plan.status === 'fulfilled') this.tasks = plan.value.plan?.tasks ?? [];
    if (gate.status === 'fulfilled') this.gate = gate.value.gate;
    if (sessions.status === 'fulfilled') this.sessions = sessions.value.count;
  }

  private draw(): void {
    if (!this.run.spec) return;
    const { run, hosts, tasks, gate, sessions, zone } = this;
    const known: RunKnown = { run, hosts, tasks, gate, sessions, zone };
    const lines = runView(known, new Date(), this.work.io.columns());
    const up = this.drawnLines > 0 ? `\u001b[${this.drawnLines}A` : '';
    this.work.io.out.write(`${up}\r\u001b[0J${lines.join('\n')}\n`);
    this.drawnLines = lines.length;
  }
}
