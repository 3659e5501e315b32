"""Schedules and scheduled rules fire within a second of their time; MiniStack 1.5.33 looks every ten seconds."""

TICK_SECONDS = 1


def install(_sagemaker_url: str) -> None:
    from ministack.services import eventbridge, scheduler

    eventbridge._SCHEDULER_TICK_INTERVAL = TICK_SECONDS
    scheduler._SCHEDULE_TICK_INTERVAL = TICK_SECONDS
