import { createStations } from './stations.js';

const LONG_MS = 60_000;

describe('the stations of the clients', () => {
  it('are reached when all of them are there, counted over the users of k6', async () => {
    const stations = createStations();
    const reached = stations.reached('told', 40, LONG_MS);
    expect(stations.hear('station told 10')).toBe(true);
    expect(stations.hear('station ended 40')).toBe(true);
    expect(stations.hear('station told 30')).toBe(true);
    await reached;
    await stations.reached('ended', 40, LONG_MS);
    expect(stations.count('told')).toBe(40);
  });

  it('hear nothing else', () => {
    const stations = createStations();
    expect(
      ['station', 'station told', 'station told x', 'user-1: lost: end'].map((line) => stations.hear(line)),
    ).toEqual([false, false, false, false]);
  });

  it('are given up in time, and when nobody comes any more', async () => {
    const stations = createStations();
    stations.hear('station told 10');
    await expect(stations.reached('told', 40, 1)).rejects.toThrow('10 of 40 clients have reached "told": waited 1 ms');
    const waits = stations.reached('told', 40, LONG_MS);
    stations.close('k6 ended with 107');
    await expect(waits).rejects.toThrow('10 of 40 clients have reached "told": k6 ended with 107');
    await expect(stations.reached('ended', 1, LONG_MS)).rejects.toThrow('k6 ended with 107');
    await stations.reached('told', 10, LONG_MS);
  });
});
