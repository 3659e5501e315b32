/** Flights that left New York's airports in 2013, month by month, with the weather of their hour: which will arrive late? */
import {
  defineProject,
  feature,
  hours,
  id,
  label,
  minutes,
  onDemand,
  onDrift,
  onUpload,
  time,
  xgboost,
} from '../../lib/config/index.ts';

export const flights = defineProject({
  name: 'flights',
  problem: {
    objective: 'binary',
    decision: 'Whether to warn passengers, at departure, that their flight will arrive more than 15 minutes late.',
    limits: 'Knows departures from New York in 2013 only; not for scheduling crews or aircraft.',
  },
  data: {
    columns: {
      /** Carrier, number, origin and scheduled departure: `UA1545-EWR-20130101T1015Z`. */
      flight_id: id.text(),
      scheduled_departure: time.timestamp(),
      carrier: feature.category(),
      origin: feature.category({ values: ['EWR', 'JFK', 'LGA'] }),
      dest: feature.category(),
      /** Miles. */
      distance: feature.number({ min: 0, max: 6000 }),
      /** Scheduled hour of departure, New York's time. */
      hour: feature.integer({ min: 0, max: 23 }),
      /** Minutes; negative when the flight left early. */
      dep_delay: feature.number({ min: -120, max: 2000 }),
      /** Degrees Fahrenheit, as the dew point. */
      temp: feature.number({ min: -40, max: 130, nullable: true }),
      dewp: feature.number({ min: -60, max: 100, nullable: true }),
      humid: feature.number({ min: 0, max: 100, nullable: true }),
      /** Degrees; 0 when there is no wind. */
      wind_dir: feature.number({ min: 0, max: 360, nullable: true }),
      /** Miles an hour. */
      wind_speed: feature.number({ min: 0, max: 253, nullable: true }),
      /** Inches in the hour. */
      precip: feature.number({ min: 0, max: 20, nullable: true }),
      /** Hectopascal. */
      pressure: feature.number({ min: 870, max: 1085, nullable: true }),
      /** Miles. */
      visib: feature.number({ min: 0, max: 10, nullable: true }),
      /** The arrival was more than 15 minutes late. */
      late: label.boolean(),
    },
  },
  training: {
    /** A month of flights is worth a training run, a week is not. */
    triggers: [onUpload({ minimumNewRows: 20_000 }), onDrift(), onDemand()],
    window: { versions: 6 },
    /** Flights of a day share its weather: a model that has seen half of a day knows too much of the other half. */
    holdOutBy: 'day',
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
