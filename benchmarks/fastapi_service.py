"""A FastAPI service as its tutorial writes one, with this project's models."""

import os
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

from model import load_model

model = load_model(os.environ, dict)
app = FastAPI()


class Ride(BaseModel):
    """What is known when a ride starts."""

    PULocationID: int = Field(ge=1, le=265)
    DOLocationID: int = Field(ge=1, le=265)
    trip_distance: float = Field(ge=0, le=1000)
    pickup_datetime: str | None = None
    passenger_count: int | None = None
    payment_type: int | None = None


class RideStarted(BaseModel):
    """A ride that starts."""

    ride_id: int | str
    ride: Ride


def values(events: Sequence[RideStarted]) -> list[Any]:
    """Predict rides with one call of the models."""
    rides = [model.decode(event.model_dump_json().encode(), 0.0) for event in events]
    return [each.value for each in model.predict([ride for ride in rides if ride is not None])]


@app.post("/predict")
async def predict(event: RideStarted | list[RideStarted]) -> Any:
    """Predict a ride, or a list of rides."""
    return values(event) if isinstance(event, list) else values([event])[0]
