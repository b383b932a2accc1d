/* What anywidget loads for a race in the page. */

import { renderRace } from "./live_race.js";

export default { render: renderRace };
