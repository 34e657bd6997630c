//! The notebooks of the sample data.

use crate::catalog::CATALOG;
use crate::content::notebook::{Cell, Edition, Formula, Notebook};

/// Every notebook there is.
pub(crate) const NOTEBOOKS: &[Notebook] = &[
    Notebook { id: CATALOG.private_notebook, versions: RAINFALL },
    Notebook { id: CATALOG.team_notebook, versions: INVENTORY },
    Notebook { id: CATALOG.unshared_team_notebook, versions: CALIBRATION },
    Notebook { id: CATALOG.public_notebook, versions: TIDES },
    Notebook { id: CATALOG.project_notebook, versions: SURVEY },
];

/// The notebook with this id.
pub(crate) fn notebook(id: &str) -> Option<&'static Notebook> {
    NOTEBOOKS.iter().find(|notebook| notebook.id == id)
}

const VERSION: Cell = Cell { name: "version", formula: Formula::Version };

const fn cell(name: &'static str, formula: Formula) -> Cell {
    Cell { name, formula }
}

/// Millimetres of rain a day, at one station and then at more of them.
const RAINFALL: &[Edition] = &[
    Edition {
        title: "Rainfall at the harbour",
        cells: &[
            VERSION,
            cell("about", Formula::Text("Rain at one station, in millimetres a day, entered by hand.")),
            cell("rain", Formula::Numbers(&[3, 0, 7, 12, 5])),
            cell("total", Formula::Sum("rain")),
            cell("answer", Formula::Product("total", "version")),
        ],
        secrets: &[],
        databases: &[],
    },
    Edition {
        title: "Rainfall at the harbour, by station",
        cells: &[
            VERSION,
            cell("about", Formula::Text("Rain as the stations report it, in millimetres a day.")),
            cell("rain", Formula::Numbers(&[3, 0, 7, 12, 5, 9, 1])),
            cell("days", Formula::Count("rain")),
            cell("total", Formula::Sum("rain")),
            cell("wettest", Formula::Largest("rain")),
            cell("answer", Formula::Product("total", "version")),
        ],
        secrets: &["WEATHER_TOKEN"],
        databases: &["stations"],
    },
    Edition {
        title: "Rainfall at the harbour, against the archive",
        cells: &[
            VERSION,
            cell("about", Formula::Text("Rain this week beside the same week in the archive.")),
            cell("rain", Formula::Numbers(&[3, 0, 7, 12, 5, 9, 1])),
            cell("archive", Formula::Numbers(&[1, 4, 4, 0, 2, 8, 6])),
            cell("total", Formula::Sum("rain")),
            cell("before", Formula::Sum("archive")),
            cell("answer", Formula::Product("before", "version")),
        ],
        secrets: &["ARCHIVE_TOKEN"],
        databases: &["archive"],
    },
];

/// What the lab has in stock.
const INVENTORY: &[Edition] = &[
    Edition {
        title: "Lab inventory",
        cells: &[
            VERSION,
            cell("about", Formula::Text("Boxes of sample tubes in stock, by shelf.")),
            cell("boxes", Formula::Numbers(&[14, 9, 22])),
            cell("answer", Formula::Sum("boxes")),
        ],
        secrets: &[],
        databases: &[],
    },
    Edition {
        title: "Lab inventory, from the database",
        cells: &[
            VERSION,
            cell("about", Formula::Text("Boxes of sample tubes in stock, by shelf, as the database has it.")),
            cell("boxes", Formula::Numbers(&[14, 9, 22, 6])),
            cell("shelves", Formula::Count("boxes")),
            cell("stock", Formula::Sum("boxes")),
            cell("answer", Formula::Product("stock", "version")),
        ],
        secrets: &["LAB_TOKEN"],
        databases: &["inventory"],
    },
];

/// A draft that its creator has not shared with the team.
const CALIBRATION: &[Edition] = &[Edition {
    title: "Calibration, a draft",
    cells: &[
        VERSION,
        cell("about", Formula::Text("Counts of the reference sample, before anybody has checked them.")),
        cell("counts", Formula::Numbers(&[101, 98, 103])),
        cell("highest", Formula::Largest("counts")),
        cell("answer", Formula::Product("highest", "version")),
    ],
    secrets: &[],
    databases: &[],
}];

/// Public from its second version on. Its titles contain what careless HTML would stumble over.
const TIDES: &[Edition] = &[
    Edition {
        title: "Tides & currents <draft>",
        cells: &[
            VERSION,
            cell("about", Formula::Text("High water in centimetres above chart datum, not yet published.")),
            cell("high", Formula::Numbers(&[412, 398])),
            cell("answer", Formula::Largest("high")),
        ],
        secrets: &[],
        databases: &[],
    },
    Edition {
        title: "Tides & currents <for everybody>",
        cells: &[
            VERSION,
            cell("about", Formula::Text("High water in centimetres above chart datum.")),
            cell("high", Formula::Numbers(&[412, 398, 405, 421])),
            cell("highest", Formula::Largest("high")),
            cell("answer", Formula::Product("highest", "version")),
        ],
        secrets: &[],
        databases: &[],
    },
    Edition {
        title: "Tides & currents <with low water>",
        cells: &[
            VERSION,
            cell("about", Formula::Text("High and low water in centimetres above chart datum.")),
            cell("high", Formula::Numbers(&[412, 398, 405, 421])),
            cell("low", Formula::Numbers(&[61, 74, 70, 52])),
            cell("tides", Formula::Count("low")),
            cell("highest", Formula::Largest("high")),
            cell("answer", Formula::Product("highest", "tides")),
        ],
        secrets: &[],
        databases: &["stations"],
    },
];

/// Held by a project.
const SURVEY: &[Edition] = &[
    Edition {
        title: "Atlas survey",
        cells: &[
            VERSION,
            cell("about", Formula::Text("Map sheets finished, by week.")),
            cell("sheets", Formula::Numbers(&[2, 5, 3])),
            cell("answer", Formula::Sum("sheets")),
        ],
        secrets: &[],
        databases: &[],
    },
    Edition {
        title: "Atlas survey, with the weeks counted",
        cells: &[
            VERSION,
            cell("about", Formula::Text("Map sheets finished, by week.")),
            cell("sheets", Formula::Numbers(&[2, 5, 3, 8])),
            cell("weeks", Formula::Count("sheets")),
            cell("finished", Formula::Sum("sheets")),
            cell("answer", Formula::Product("finished", "weeks")),
        ],
        secrets: &["SURVEY_TOKEN"],
        databases: &[],
    },
];
