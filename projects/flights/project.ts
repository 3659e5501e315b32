/** Flights that left New York's airports in 2013, month by month, with the weather of their hour: which will arrive late? */
import { defineProject, feature, hours, id, ignore, label, minutes, time, xgboost } from '../../lib/config/index.ts';

export const flights = defineProject({
  name: 'flights',
  problem: {
    objective: 'binary',
    decision: 'Whether to warn passengers, at departure, that their flight will arrive more than 15 minutes late.',
    limits: 'Knows departures from New York in 2013 only; not for scheduling crews or aircraft.',
  },
  data: {
    columns: {
      year: id.integer(),
      month: id.integer(),
      day: id.integer(),
      /** Carrier, number and origin, `UA1545 EWR`: together with the day it names a departure. */
      flight: id.text(),
      time_hour: time.timestamp(),
      sched_dep_hour: feature.integer({ min: 0, max: 23 }),
      carrier: feature.category(),
      origin: feature.category({ values: ['EWR', 'JFK', 'LGA'] }),
      dest: feature.category(),
      /** Miles. */
      distance: feature.number({ min: 0, max: 6000 }),
      /** Minutes; negative when the flight left early. */
      dep_delay: feature.number({ min: -120, max: 2000 }),
      /** Degrees Fahrenheit. */
      temp: feature.number({ min: -40, max: 130, nullable: true }),
      humid: feature.number({ min: 0, max: 100, nullable: true }),
      wind_speed: feature.number({ min: 0, nullable: true }),
      precip: feature.number({ min: 0, nullable: true }),
      pressure: feature.number({ min: 900, max: 1100, nullable: true }),
      visib: feature.number({ min: 0, max: 10, nullable: true }),
      late: label.boolean(),
      tailnum: ignore(),
    },
  },
  training: {
    window: { versions: 6 },
    algorithm: xgboost({ num_round: 200, max_depth: 6, eta: 0.1, early_stopping_rounds: 20 }),
    cooldown: minutes(0),
    maximumRuntime: hours(1),
  },
  gate: {
    limits: { auc: 0.7 },
    slices: [{ column: 'origin', maximumLoss: 0.03 }],
  },
  monitoring: { window: hours(24), psi: 0.2 },
});
