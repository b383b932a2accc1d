/* What anywidget loads for a slider of one number. */

import { renderSlider } from "./number_slider.js";

export default { render: renderSlider };
