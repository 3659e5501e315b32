"""What the image's `train` command ends in when a job names a program: script mode."""

from sagemaker_containers.beta import framework


def main() -> None:
    """Installs the program with pip and runs it as a module. A failure's text is the command, not what it said."""
    job = framework.training_env()
    framework.modules.run_module(
        job.module_dir, job.to_cmd_args(), job.to_env_vars(), job.module_name, capture_error=False
    )
