"""Lighter imports in a process of the command's own, in half the time.

Lightning and torch's optimizers would load torch's compiler, and torchmetrics SciPy and Matplotlib.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

COMPILER, METRICS = "torch._dynamo", "torchmetrics"
DRAWING = ("matplotlib", "scipy")


def install() -> None:
    """Import the compiler and torchmetrics light, unless one of them is there already."""
    if not {COMPILER, METRICS} & sys.modules.keys():
        sys.meta_path[:0] = [_FindCompiler(), _FindMetrics()]


class _IfCompiled(type):
    def __instancecheck__(cls, instance: object) -> bool:
        compiler: Any = sys.modules[COMPILER]
        return not isinstance(compiler, Compiler) and isinstance(instance, compiler.OptimizedModule)


class _OptimizedModule(metaclass=_IfCompiled):
    """Have as instances those of the compiler's class of this name: none while nothing is compiled."""


class Compiler(ModuleType):
    """Stand for `torch._dynamo` until something else of it is asked for than a training does."""

    OptimizedModule = _OptimizedModule

    @staticmethod
    def graph_break(*_: Any) -> None:
        """Do nothing, as always outside compiled code."""

    @staticmethod
    def disable(function: Callable[..., Any], recursive: bool = True, **options: Any) -> Callable[..., Any]:
        """Return the function, which the compiler leaves out once it is there."""

        def call(*args: Any, **kwargs: Any) -> Any:
            compiler: Any = sys.modules[COMPILER]
            own = isinstance(compiler, Compiler)
            return (function if own else compiler.disable(function, recursive, **options))(*args, **kwargs)

        return call

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_compiler(), name)


def _compiler() -> ModuleType:
    """Import the compiler itself, in the place of what stands for it."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _FindCompiler)]
    if isinstance(sys.modules.get(COMPILER), Compiler):
        del sys.modules[COMPILER]
    return importlib.import_module(COMPILER)


class _FindCompiler(MetaPathFinder):
    """Find what stands for the compiler; whoever imports a module inside it gets the real ones."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name == COMPILER:
            spec = ModuleSpec(name, _Given(Compiler(name)), is_package=True)
            spec.submodule_search_locations = [f"{folder}/_dynamo" for folder in path or ()]
            return spec
        if name.startswith(f"{COMPILER}."):
            _compiler()
            return ModuleSpec(name, _Given(importlib.import_module(name)))
        return None


class _Given(Loader):
    """Load a module that is there."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return it."""
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        """Leave it as it was."""
        module.__spec__ = self.spec or module.__spec__


class _FindMetrics(MetaPathFinder, Loader):
    """Load torchmetrics as where SciPy and Matplotlib are not installed."""

    own: Any = None

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != METRICS:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            self.own, spec.loader = spec.loader, self
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Execute it, while what it could draw with seems absent."""
        from lightning_utilities.core import imports

        there, met = imports.package_available, imports.RequirementCache.__bool__
        patched: Any = imports
        patched.package_available = lambda name: name not in DRAWING and there(name)
        patched.RequirementCache.__bool__ = lambda one: one.requirement not in DRAWING and met(one)
        try:
            self.own.exec_module(module)
        finally:
            patched.package_available, patched.RequirementCache.__bool__ = there, met
