# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where each command of the pages is run for real: a test, or what a target of make runs."""

from __future__ import annotations

HERE = "integration/test_documented_commands.py"
REDIS = f"{HERE}::test_a_command_for_redis_does_what_its_page_says"
SETUP = f"{HERE}::test_the_command_is_linked_and_completes"
OLD = f"{HERE}::test_the_old_commands_for_redis_are_typed_as_before"
LAB = f"{HERE}::test_certificates_and_pods_as_the_pages_say"
_ALERTS = "integration/test_alert_response.py"
_CHECK = "integration/test_cert_variables.py::test_every_variable_of_a_check_may_be_text"
_ROTATION = "integration/test_rotate_certs.py::test_both_methods_rotate_and_roll_back_and_no_client_notices"
_DEBUG = "integration/test_debug_variables.py"
_BY_HAND = "integration/test_cert_roles.py::test_by_hand_cert_manager_does_not_undo_it"
_GUARD = "integration/test_runbook_guard.py::test_of_bastions_that_race_one_acts_and_a_person_stops_it"
_OPS = "integration/test_ops.py::test_a_flush_is_looked_at_answered_reported_and_undone"
_IMAGE = "integration/test_execution_environment.py"
_EXAMPLE = "integration/test_inventory_example.py"
_FLEET = "integration/test_fleet.py::test_one_cluster_that_fails_does_not_hide_the_others"
_RULEBOOK = "integration/test_alert_rulebook.py::test_an_alert_is_acted_on_once_and_nothing_of_it_is_evaluated"
_OPS_LAB = "integration/test_ops_lab.py"
_VERB = "unit/plugins/plugin_utils/_ops/test_main.py::test_a_verb_runs_its_playbook_with_its_variables"
_PREPARED = "integration/test_prepare_cluster.py"

PROOFS = {
    # Playbooks, with their variables and options.
    "assess_alerts": f"{_ALERTS}::test_all_alerts_that_fire_are_assessed",
    "check_certs": "integration/test_cert_check.py::test_a_run_fails_once_its_report_is_written",
    "check_certs rotate_certs_check_namespaces": _CHECK,
    "check_certs rotate_certs_check_namespaces rotate_certs_check_warning": _CHECK,
    "check_certs rotate_certs_reports_keep": LAB,
    "check_certs rotate_certs_reports_keep runbooks_reports_dir": _CHECK,
    "check_certs runbooks_run_id --forks": _FLEET,
    "cleanup_debug_pods": f"{_DEBUG}::test_where_to_clean_up_may_be_text",
    "cleanup_debug_pods debug_pod_force debug_pod_runs": f"{_DEBUG}::test_where_to_clean_up_may_be_text",
    "configure_awx": "integration/test_awx.py::test_all_of_it_is_declared_and_the_second_run_changes_nothing",
    "debug_pod debug_pod_capture debug_pod_targets": f"{_DEBUG}::test_every_variable_may_be_text",
    "debug_pod debug_pod_interactive debug_pod_targets debug_pod_ttl": f"{_DEBUG}::test_every_variable_may_be_text",
    "debug_pod debug_pod_namespace debug_pod_targets": f"{_DEBUG}::test_every_variable_may_be_text",
    "debug_pod debug_pod_targets": f"{_PREPARED}::test_pods_are_debugged_with_what_was_made",
    "flush_redis flush_redis_confirm flush_redis_names": REDIS,
    "flush_redis flush_redis_expire_window flush_redis_mode flush_redis_names flush_redis_url": REDIS,
    "flush_redis flush_redis_kubernetes flush_redis_names": (
        "integration/test_redis_kubernetes.py::test_a_playbook_flushes_and_its_undo_restores"
    ),
    "flush_redis flush_redis_names": f"{_EXAMPLE}::test_every_cluster_is_planned_with_its_own_settings",
    "flush_redis flush_redis_names flush_redis_url": REDIS,
    "list_debug_pods": f"{_DEBUG}::test_where_to_clean_up_may_be_text",
    "prepare_cluster": f"{_PREPARED}::test_nothing_is_made_by_a_check_all_of_it_once_and_nothing_twice",
    "prepare_cluster prepare_cluster_runbooks": f"{_PREPARED}::test_all_of_it_goes_again",
    "prepare_cluster prepare_cluster_state": f"{_PREPARED}::test_all_of_it_goes_again",
    "redis_stats": f"{_EXAMPLE}::test_statistics_show_the_whole_catalogue_everywhere",
    "redis_stats flush_redis_url": "integration/test_redis_stats.py::test_the_playbook_reports",
    "respond_to_alert alert_response_labels alert_response_name": (
        f"{_ALERTS}::test_the_runbook_runs_once_and_its_success_is_proven"
    ),
    "restore_redis flush_redis_restore_run flush_redis_url": REDIS,
    "rollback_certs rotate_certs_rollback_run": (
        "integration/test_cert_variables.py::test_every_variable_of_a_rollback_may_be_text"
    ),
    "rotate_certs": f"{_EXAMPLE}::test_certificates_are_planned_in_every_cluster_and_checked",
    "rotate_certs rotate_certs_issued_before": _ROTATION,
    "rotate_certs rotate_certs_names": LAB,
    # The command ops. Where that is said, what stands in for Ansible is given what the playbook's own tests give it.
    "ops --help": SETUP,
    "ops --version": "unit/plugins/plugin_utils/_ops/test_main.py::test_it_says_which_version_it_is",
    "ops completion bash": SETUP,
    "ops completion fish": SETUP,
    "ops completion zsh": SETUP,
    "ops alert assess": _VERB,
    "ops alert respond": _VERB,
    "ops cert check": _VERB,
    "ops cert check --nagios": f"{_OPS_LAB}::test_certificates_are_listed_validated_and_monitored",
    "ops cert list": f"{_OPS_LAB}::test_certificates_are_listed_validated_and_monitored",
    "ops cert rollback": _VERB,
    "ops cert rotate": LAB,
    "ops cert rotate --method": LAB,
    "ops cert validate": f"{_OPS_LAB}::test_certificates_are_listed_validated_and_monitored",
    "ops debug cleanup": LAB,
    "ops debug cleanup --force --run": _VERB,
    "ops debug create": LAB,
    "ops debug interactive": f"{_OPS_LAB}::test_a_shell_is_a_terminal_and_nothing_is_left_behind_it",
    "ops debug list": _VERB,
    "ops prepare": _VERB,
    "ops redis flush": _OPS,
    "ops redis flush --check": _OPS,
    "ops redis flush --force": OLD,
    "ops redis list": OLD,
    "ops redis restore": _VERB,
    "ops redis stats": "integration/test_ops.py::test_an_inventory_counts_before_the_configuration",
    "ops report": _OPS,
    "ops report --open": OLD,
    "ops undo": _OPS,
    # What others have made.
    "ansible-builder": f"{_IMAGE}::test_an_image_has_what_the_collections_ask_for_and_no_more",
    "ansible-galaxy": "integration/conftest.py::installed",
    "ansible-rulebook": _RULEBOOK,
    "ansible-vault": _BY_HAND,
    "cd": LAB,
    "export": LAB,
    "kubectl apply": _BY_HAND,
    "kubectl create configmap": _GUARD,
    "kubectl delete certificaterequest": _BY_HAND,
    "kubectl get certificate": _BY_HAND,
    "kubectl get certificaterequests": _BY_HAND,
    "kubectl get configmap": _GUARD,
    "ln": SETUP,
    "mail": LAB,
    "python3": f"{_IMAGE}::test_a_runbook_runs_with_what_the_execution_environment_brings",
    "redis-cli": REDIS,
    "sh": LAB,
    "zcat": REDIS,
    # What the tests themselves begin with, and what is one.
    "make demo": "demo/demo.py",
    "make runtime": "conftest.py",
    "make test": "tools/stages.py",
}
