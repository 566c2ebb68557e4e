/*
 * What this side says to users by itself, because no server can: in English and German, by the language of the session. All the rest that
 * users read comes from the server, in their language.
 */

export interface OwnWords {
  readonly noSession: string;
  readonly noConnection: string;
  readonly connectionLost: string;
  readonly noAnswer: string;
  readonly wrongHold: string;
}

const english: OwnWords = {
  noSession: 'There is no session.',
  noConnection: 'There is no connection to the server.',
  connectionLost: 'The connection was lost.',
  noAnswer: 'The server did not answer in time.',
  wrongHold: 'More time needs a reason of 1 to 200 characters, and is for 1 to 240 minutes.',
};

const german: OwnWords = {
  noSession: 'Es gibt keine Sitzung.',
  noConnection: 'Es gibt keine Verbindung zum Server.',
  connectionLost: 'Die Verbindung ist abgebrochen.',
  noAnswer: 'Der Server hat nicht rechtzeitig geantwortet.',
  wrongHold: 'Mehr Zeit braucht einen Grund von 1 bis 200 Zeichen und gilt für 1 bis 240 Minuten.',
};

/** `language`: a BCP 47 tag, or anything else. English where there is nothing else. */
export function ownWords(language: unknown): OwnWords {
  return typeof language === 'string' && /^de(-|$)/i.test(language) ? german : english;
}
