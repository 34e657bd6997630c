"""An API that was there before; only `allows` is new."""

from typing import Annotated

from fastapi import Depends, FastAPI

from guard import allows

app = FastAPI()
INVOICES = {"2026-001": {"id": "2026-001", "total": "1250.00"}, "2026-002": {"id": "2026-002", "total": "80.00"}}


@app.get("/invoices/{invoice}", dependencies=[Depends(allows("invoice:read", "invoice:{invoice}"))])
def read_invoice(invoice: str) -> dict:
    return INVOICES[invoice]


@app.post("/reports", status_code=202)
def create_report(verdict: Annotated[dict, Depends(allows("report:create"))]) -> dict:
    return {"requested_by": verdict["key_id"]}
