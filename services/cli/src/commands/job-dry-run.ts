import { EXIT, preflightV1, schedulerV1 } from '@lastcall/contracts';
import { createProgress } from '../render/progress.js';
import { table } from '../render/text.js';
import { verdictWord } from '../render/words.js';
import type { Work } from '../work.js';
import { finishedReport, reportText } from './preflight.js';

/** Shows what a run of the job would meet, without starting one; answers whether anything would stop it. */
export async function dryRun(work: Work, name: string): Promise<number> {
  createProgress(work).say('asking the hosts');
  const answer = await work.services.scheduler.dryRunJob({ name });
  const report = answer.report === '' ? undefined : await finishedReport(work, answer.report);
  const zone = (await work.installation()).timeZone;
  const json = {
    ...(schedulerV1.DryRunJobResponse.toJSON(answer) as object),
    preflight: report && preflightV1.Report.toJSON(report),
  };
  work.print(json, () => {
    const rows = answer.steps.map((s) => [verdictWord(s.verdict), s.check, s.asked, s.found]);
    const steps = table(['verdict', 'step', 'asked', 'found'], rows, 'no steps');
    return `${steps}${report ? `\n${reportText(report, zone)}` : ''}`;
  });
  const stops = answer.steps.some(({ verdict }) => verdict !== preflightV1.Verdict.PASSED);
  return stops || report?.verdict === preflightV1.Verdict.FAILED ? EXIT.failed : EXIT.done;
}
