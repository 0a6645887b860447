"""OPEA's plug-in classes for back ends: a component, a registry by name, and a loader."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar


class OpeaComponent(ABC):
    """A back end with a name; `config` holds its settings."""

    def __init__(self, name: str, type: str, description: str, config: dict[str, Any] | None = None) -> None:
        self.name = name
        self.type = type
        self.description = description
        self.config: dict[str, Any] = dict(config or {})

    def get_meta(self) -> dict[str, Any]:
        """Name, type, description and configuration."""
        return {"name": self.name, "type": self.type, "description": self.description, "config": self.config}

    def update_config(self, key: str, value: Any) -> None:
        """Set one configuration value."""
        self.config[key] = value

    @abstractmethod
    def check_health(self) -> bool:
        """True when the back end can work."""

    @abstractmethod
    async def invoke(self, *args: Any, **kwargs: Any) -> Any:
        """Do the work."""


ComponentT = TypeVar("ComponentT", bound=type)


class OpeaComponentRegistry:
    """Component classes by name, one registry for the process, as OPEA's decorators need it."""

    _registry: ClassVar[dict[str, type]] = {}

    @classmethod
    def register(cls, name: str) -> Callable[[ComponentT], ComponentT]:
        """Decorator that makes a class known as `name`; raises ValueError when the name is taken."""

        def decorate(component: ComponentT) -> ComponentT:
            if name in cls._registry:
                raise ValueError(f"a component called '{name}' is registered already")
            cls._registry[name] = component
            return component

        return decorate

    @classmethod
    def get(cls, name: str) -> type:
        """The class registered as `name`; raises KeyError that lists the names."""
        if name not in cls._registry:
            known = ", ".join(sorted(cls._registry)) or "none"
            raise KeyError(f"no component is called '{name}'; registered: {known}")
        return cls._registry[name]

    @classmethod
    def unregister(cls, name: str) -> None:
        """Forget `name`, if it is known."""
        cls._registry.pop(name, None)


class OpeaComponentLoader:
    """Makes the component called `component_name` with `kwargs` and passes calls to it."""

    def __init__(self, component_name: str, **kwargs: Any) -> None:
        self.component = OpeaComponentRegistry.get(component_name)(**{**kwargs, "name": component_name})

    async def invoke(self, *args: Any, **kwargs: Any) -> Any:
        """What the component's own `invoke` returns."""
        return await self.component.invoke(*args, **kwargs)
