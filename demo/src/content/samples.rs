//! The samples of the sample data.

use serde::Serialize;

use crate::catalog::CATALOG;

/// One row of `/api/v1/samples`.
#[derive(Serialize)]
pub(crate) struct Sample {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    filename: &'static str,
    pub(crate) site: &'static str,
    pub(crate) collected_on: &'static str,
    reads: u32,
}

/// Every sample there is.
pub(crate) const SAMPLES: &[Sample] = &[
    Sample {
        id: CATALOG.private_sample,
        name: "Harbour sediment, 2 m",
        filename: "harbour-sediment-2m.fastq.gz",
        site: "harbour",
        collected_on: "2024-05-14",
        reads: 184_302,
    },
    Sample {
        id: CATALOG.project_sample,
        name: "Atlas transect, point 7",
        filename: "atlas-transect-07.fastq.gz",
        site: "transect",
        collected_on: "2024-06-02",
        reads: 96_118,
    },
    Sample {
        id: CATALOG.other_project_sample,
        name: "Borealis ice core, 40 cm",
        filename: "borealis-core-40cm.fastq.gz",
        site: "ice shelf",
        collected_on: "2024-02-19",
        reads: 41_977,
    },
    Sample {
        id: CATALOG.public_sample,
        name: "Reference community, even",
        filename: "reference-even.fastq.gz",
        site: "bench",
        collected_on: "2023-11-08",
        reads: 250_000,
    },
    Sample {
        id: CATALOG.other_public_sample,
        name: "Reference community, staggered",
        filename: "reference-staggered.fastq.gz",
        site: "bench",
        collected_on: "2023-11-09",
        reads: 250_000,
    },
];
