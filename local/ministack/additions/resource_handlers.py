"""What several additions do to the handlers by which a template creates and updates resources of a type."""

from collections.abc import Callable
from typing import Any


def applied_after(type_name: str, apply: Callable[[str, dict], None]) -> None:
    """Apply settings, given the resource's name and its properties, to what a template has created or updated."""
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS[type_name]
    create, update = handlers["create"], handlers["update"]

    def create_and_apply(logical_id: str, properties: dict, stack: str) -> tuple:
        made = create(logical_id, properties, stack)
        apply(made[0], properties)
        return made

    def update_and_apply(name: str, old: dict, new: dict, *rest: Any) -> tuple:
        made = update(name, old, new, *rest)
        apply(made[0], new)
        return made

    handlers.update(create=create_and_apply, update=update_and_apply)


def checked_before(type_name: str, check: Callable[[dict], None]) -> None:
    """Check the properties before a template creates or updates a resource; what the check raises is the reason."""
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS[type_name]
    create, update = handlers["create"], handlers["update"]

    def create_checked(logical_id: str, properties: dict, stack: str) -> tuple:
        check(properties)
        return create(logical_id, properties, stack)

    def update_checked(name: str, old: dict, new: dict, *rest: Any) -> tuple:
        check(new)
        return update(name, old, new, *rest)

    handlers.update(create=create_checked, update=update_checked)
