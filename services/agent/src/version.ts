/** Version of this agent (semver); releases may demand one. The same as in package.json, which a test compares. */
export const AGENT_VERSION = '0.1.0';
